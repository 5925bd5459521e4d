"""A client with one conversation, and a front end over httpx between it and a bridge in this process.

What mitmproxy adds is shown elsewhere; without it hundreds of turns take a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import httpx

from qwen_bridge.bridge.bridge import Bridge, Call
from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.effects import Commit, Effect, Forget, Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.ports import ConversationStore
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.upstream.client import QwenClient
from tests.conformance.invariants import check_body
from tests.exchange.driving import Told
from tests.harness.ports import CountedIds, FixedClock

POLL = 0.005
"""Seconds between two looks at whether a request may go."""

SESSION = {"token": "sim-token", "bx_umidtoken": "sim-umid", "user_agent": "Mozilla/5.0"}


def settings(upstream: str, **chosen: Any) -> Settings:
    # Nobody's own learned sessions: the folder is made by whoever learns.
    return Settings.load({"upstream": upstream, "state": "no-such-folder", **SESSION, **chosen})


@contextlib.asynccontextmanager
async def bridge_to(
    upstream: str, store: ConversationStore | None = None, clock: FixedClock | None = None, **chosen: Any
) -> AsyncIterator[Bridge]:
    """A bridge with a fixed clock, counted ids and a store in memory, closed at the end."""
    clock, ids, made = clock or FixedClock(), CountedIds(), settings(upstream, **chosen)
    bridge = Bridge(made, store or MemoryStore(clock), QwenClient(made.upstream, clock, ids, False), clock, ids)
    try:
        yield bridge
    finally:
        await bridge.aclose()


def post(body: Mapping[str, Any] | bytes, key: str = "sk-mine") -> Call:
    """A call for a chat completion."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, text)


def said(*texts: str) -> list[dict[str, str]]:
    """A history: user, assistant, user, … in turn."""
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]


class Editor:
    """A client with one conversation, and the front end between it and the bridge."""

    def __init__(self, bridge: Bridge, upstream: str, key: str = "sk-mine", **more: Any) -> None:
        self.history: list[dict[str, Any]] = []
        self.explained: list[str] = []
        self._bridge = bridge
        self._upstream = upstream
        self._key = key
        self._more = more

    @property
    def routes(self) -> list[str]:
        """Where each turn went, without the sizes behind it."""
        return [re.sub(r" (saved|file)=\d+", "", told) for told in self.explained]

    async def say(self, text: str) -> str:
        """One turn; the answer's text, which is kept in the history. Fails when it is not a legal answer."""
        self.history.append({"role": "user", "content": text})
        told = await self.post()
        assert told.status == 200, told.body
        assert told.json["model"] == self._more.get("model", "gpt-4o")
        assert not check_body(told.json)
        self.history.append({"role": "assistant", "content": told.said[0]})
        return told.said[0]

    async def post(self) -> Told:
        """The history as it stands, as one request."""
        call = post({"model": "gpt-4o", "messages": self.history, **self._more}, self._key)
        exchange = await self._bridge.open(call, self._bridge.request_id())
        assert isinstance(exchange, Exchange)
        try:
            while not await self._bridge.admit(exchange):
                pass
            told = await driven(self._bridge, exchange, self._upstream)
        except BridgeError as error:  # it may not even ask
            told = Told()
            told.take(exchange.failed(error))
        finally:
            self._bridge.release(exchange)
        self.explained.append(told.headers["x-qwen-bridge-conversation"])
        return told


async def driven(bridge: Bridge, exchange: Exchange, upstream: str) -> Told:
    """Carry out an exchange over httpx, as the proxy does; waits are not waited for."""
    told = Told()
    # Plain http; a client that could do TLS would read all certificates of the world first.
    async with httpx.AsyncClient(base_url=upstream, trust_env=False, verify=False) as http:
        while not told.over:
            await _attempt(bridge, exchange, http, told)
    return told


async def _beside(bridge: Bridge, exchange: Exchange, effects: Sequence[Effect]) -> None:
    """Carry out what is not for the client."""
    for effect in effects:
        if isinstance(effect, Commit | Forget):
            await bridge.remember(effect)
        elif isinstance(effect, Stop):
            await bridge.stop(exchange, effect)


async def _attempt(bridge: Bridge, exchange: Exchange, http: httpx.AsyncClient, told: Told) -> None:
    before = len(told.waits)

    async def carry_out(effects: Sequence[Effect]) -> bool:
        told.take(effects)
        await _beside(bridge, exchange, effects)
        return told.over or len(told.waits) > before

    try:
        ask = await bridge.ask(exchange)
    except BridgeError as error:
        await carry_out(exchange.failed(error))
        return
    if ask is None:  # somebody else uses the chat
        await asyncio.sleep(POLL)
        return
    try:
        async with http.stream(ask.method, ask.path, headers=dict(ask.headers), content=ask.body) as answer:
            if await carry_out(exchange.responded(answer.status_code, tuple(answer.headers.items()))):
                return
            async for data in answer.aiter_raw():
                if await carry_out(exchange.feed(data)):
                    return
    except httpx.TransportError:
        await carry_out(exchange.lost())
        return
    await carry_out(exchange.finished())
