"""A browser's side of Qwen's web chat, for tests that drive the simulator: what to send, and a plain look at frames."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings, World

HEADERS = {
    "cookie": "cna=x; token=sim-token; isg=y",
    "bx-umidtoken": "sim-umid",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
}
COMPLETIONS = "/api/v2/chat/completions"
NEW_CHAT = {
    "title": "New Chat",
    "models": ["qwen3-max"],
    "chat_mode": "normal",
    "chat_type": "t2t",
    "timestamp": 1761484022218,
}
FEATURES = {"thinking_enabled": False, "output_schema": "phase"}


class FixedClock:
    """A clock that stands."""

    def now(self) -> float:
        return 1_780_468_951.5

    def monotonic(self) -> float:
        return 7.0


def completion(chat_id: str, text: str, parent_id: str | None = None, **message: Any) -> dict[str, Any]:
    """The body of a completions request as the web client sends it; `message` replaces fields of the one message."""
    model = message.pop("model", "qwen3-max")
    chat_type = message.get("chat_type", "t2t")
    one = {
        "fid": "8fc623f2-b790-4a73-a310-0c02ec766eb8",
        "parentId": parent_id,
        "childrenIds": ["a45abf5c-0fbd-4e18-891e-83f020da7aee"],
        "role": "user",
        "content": text,
        "user_action": "chat",
        "files": [],
        "timestamp": 1780468950,
        "models": [model],
        "chat_type": chat_type,
        "feature_config": FEATURES,
        "extra": {"meta": {"subChatType": chat_type}},
        "sub_chat_type": chat_type,
        "parent_id": parent_id,
    }
    return {
        "stream": True,
        "version": "2.1",
        "incremental_output": True,
        "chat_id": chat_id,
        "chat_mode": "normal",
        "model": model,
        "parent_id": parent_id,
        "messages": [one | message],
        "timestamp": 1780468951,
    }


def world(**settings: Any) -> World:
    """The state of a service without a server."""
    return World(Settings(**settings), FixedClock())


def request(method: str, target: str, value: object = None, headers: Mapping[str, str] = HEADERS) -> Request:
    """A request of the browser as a value; `value` becomes its JSON body, bytes stay what they are."""
    body = value if isinstance(value, bytes) else b"" if value is None else json.dumps(value).encode()
    return Request(method=method, target=target, headers=headers, body=body)


def frames(body: bytes) -> list[dict[str, Any]]:
    """The JSON of every frame of a well-formed stream."""
    return [json.loads(frame.removeprefix(b"data: ")) for frame in body.split(b"\n\n") if frame]


def text_of(body: bytes, phase: str = "answer") -> str:
    """What a stream says in one phase."""
    deltas = [frame["choices"][0]["delta"] for frame in frames(body) if "choices" in frame]
    return "".join(delta["content"] for delta in deltas if delta.get("phase") == phase)


def ids_of(body: bytes) -> tuple[str, str]:
    """The nodes of question and answer that a stream announces first."""
    created = frames(body)[0]["response.created"]
    return created["parent_id"], created["response_id"]


class Browser:
    """One signed-in browser."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def new_chat(self) -> str:
        answer = await self.http.post("/api/v2/chats/new", json=NEW_CHAT)
        chat_id: str = answer.json()["data"]["id"]
        return chat_id

    async def ask(self, chat_id: str, text: str, parent_id: str | None = None, **message: Any) -> httpx.Response:
        return await self.send(chat_id, completion(chat_id, text, parent_id, **message))

    async def send(self, chat_id: str, body: object) -> httpx.Response:
        return await self.http.post(COMPLETIONS, params={"chat_id": chat_id}, json=body)

    @asynccontextmanager
    async def asking(self, chat_id: str, text: str, parent_id: str | None = None) -> AsyncIterator[httpx.Response]:
        """An answer whose body is still to be read."""
        body = completion(chat_id, text, parent_id)
        async with self.http.stream("POST", COMPLETIONS, params={"chat_id": chat_id}, json=body) as answer:
            yield answer

    async def stop(self, chat_id: str, response_id: str) -> httpx.Response:
        body = {"chat_id": chat_id, "response_id": response_id}
        return await self.http.post(f"{COMPLETIONS}/stop", params={"chat_id": chat_id}, json=body)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds; fail when it does not within many turns of the loop."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")


@asynccontextmanager
async def browser_at(simulator: Simulator) -> AsyncIterator[Browser]:
    """A browser that looks at `simulator`, trusting its certificate."""
    verify = ssl.create_default_context(cafile=simulator.ca_path) if simulator.ca_path else True
    async with httpx.AsyncClient(base_url=simulator.url, headers=HEADERS, verify=verify, trust_env=False) as http:
        yield Browser(http)
