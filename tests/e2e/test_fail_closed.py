"""Whatever fails, no byte goes to OpenAI, and the client gets an OpenAI error."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import http

from qwen_bridge.bridge.bridge import Bridge
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.proxy.addon import BridgeAddon
from qwen_bridge.proxy.control import Control
from qwen_bridge.proxy.door import Door
from qwen_bridge.proxy.guard import Guard
from qwen_bridge.proxy.turn import Turn
from qwen_bridge.simulator.server import Simulator
from tests.conformance.invariants import check_error
from tests.e2e.test_clients import http2
from tests.harness.proxy import Proxy, in_process
from tests.harness.sockets import HOST

CANARY = "the-prompt-that-must-not-leave"
OPENAI = "127.0.0.2"
"""OpenAI's place; a name of its own, as the settings demand."""

KEY = "sk-canary-key-that-must-not-leave"
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": CANARY}]}


class Listener:
    """Stands where OpenAI would be, and keeps whatever it is sent."""

    def __init__(self) -> None:
        self.connections = 0
        self.received = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.received += data
        writer.close()


@pytest.fixture
async def openai() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, OPENAI, 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener
        # Bytes on their way would arrive now.
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def road(
    way: str, qwen_url: str, state: Path, openai: Listener, **chosen: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that means OpenAI, at the listener's address, on each way in."""
    mode = f"reverse:http://{OPENAI}:{openai.port}" if way == "reverse" else "regular"
    async with (
        in_process(qwen_url, state, mode=mode, openai_hosts=OPENAI, store="memory", **chosen) as proxy,
        aimed(way, proxy, openai) as client,
    ):
        yield client


def aimed(way: str, proxy: Proxy, openai: Listener) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {KEY}"}
    match way:
        case "tunnel":
            trust = ssl.create_default_context(cafile=str(proxy.authority))
            base = f"https://{OPENAI}:{openai.port}"
            return httpx.AsyncClient(base_url=base, proxy=proxy.url, verify=trust, trust_env=False, headers=headers)
        case "HTTP/2":
            client = http2(proxy, f"https://{OPENAI}:{openai.port}")
            client.headers.update(headers)
            return client
        case "plain proxy":
            base = f"http://{OPENAI}:{openai.port}"
            return httpx.AsyncClient(base_url=base, proxy=proxy.url, trust_env=False, headers=headers)
    return httpx.AsyncClient(base_url=proxy.url, trust_env=False, headers=headers)


WAYS = ["tunnel", "HTTP/2", "plain proxy", "reverse", "base URL"]


async def ask(client: httpx.AsyncClient, *, stream: bool = False) -> httpx.Response:
    return await client.post("/v1/chat/completions", json={**QUESTION, "stream": stream}, timeout=20)


def check_nothing_left(openai: Listener) -> None:
    assert openai.connections == 0
    assert openai.received == b""


def check_refused(answer: httpx.Response) -> None:
    assert answer.status_code >= 400
    assert check_error(answer.status_code, dict(answer.headers), answer.content) == []
    assert CANARY not in answer.text
    assert KEY not in answer.text


@pytest.mark.parametrize("way", WAYS)
async def test_a_turn_goes_to_qwen_and_to_nobody_else(
    way: str, simulator: Simulator, openai: Listener, tmp_path: Path
) -> None:
    """On every way in the answer is Qwen's, and the place of OpenAI is not even connected."""
    async with road(way, simulator.url, tmp_path, openai) as client:
        assert (await ask(client)).status_code == 200
    check_nothing_left(openai)
    sent = json.dumps(simulator.ledger.to_json())
    assert CANARY in sent
    assert KEY not in sent


HOOKS: list[tuple[type, str]] = [
    (BridgeAddon, name)
    for name in (
        "client_connected",
        "_next_layer",
        "next_layer",
        "server_connect",
        "requestheaders",
        "request",
        "qwen_bridge_attempt",
        "qwen_bridge_remember",
        "response",
        "error",
    )
]
INNER: list[tuple[type, str]] = [
    (Guard, "claims"),
    (Guard, "is_own"),
    (Door, "admit"),
    (Door, "permission"),
    (Control, "asked"),
    (Control, "answer"),
    (Guard, "must_not_pass"),
    (Guard, "tunnels"),
    (Guard, "may_connect"),
    (Turn, "advance"),
    (Turn, "order"),
    (Bridge, "open"),
    (Bridge, "ask"),
    (Bridge, "remember"),
    (Exchange, "responded"),
    (Exchange, "feed"),
    (Exchange, "finished"),
]


def raiser(original: Callable[..., Any]) -> Callable[..., Any]:
    def bang(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{original.__name__} was made to raise")

    return bang


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("owner", "name"), HOOKS + INNER, ids=[f"{o.__name__}.{n}" for o, n in HOOKS + INNER])
async def test_a_hook_that_raises_sends_nothing_to_openai(
    way: str,
    owner: type,
    name: str,
    simulator: Simulator,
    openai: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each hook, and each thing a hook leans on, may raise: the client gets Qwen's answer or an OpenAI error."""
    async with road(way, simulator.url, tmp_path, openai) as client:
        monkeypatch.setattr(owner, name, raiser(getattr(owner, name)))
        try:
            answer = await ask(client)
        except (httpx.RemoteProtocolError, httpx.ProxyError, httpx.ConnectError, httpx.ReadError):
            # Without any layer there is nothing to answer with: a closed connection, as the guard says.
            assert name in {"_next_layer", "tunnels"}
        else:
            if answer.status_code != 200:
                check_refused(answer)
    check_nothing_left(openai)


@pytest.mark.parametrize("way", WAYS)
async def test_qwen_down_is_an_openai_error(way: str, openai: Listener, tmp_path: Path) -> None:
    """Nobody listens at Qwen's address: 502 in OpenAI's envelope, after the retries."""
    async with road(way, f"http://{HOST}:9", tmp_path, openai, attempts=2) as client:
        answer = await ask(client)
    check_refused(answer)
    assert answer.json()["error"]["code"] == "qwen_unreachable"
    assert answer.headers["x-should-retry"] == "false"
    check_nothing_left(openai)


@pytest.mark.parametrize("way", WAYS)
async def test_missing_credentials_are_named(way: str, simulator: Simulator, openai: Listener, tmp_path: Path) -> None:
    """Without a Qwen session the client is told exactly what to set."""
    async with road(way, simulator.url, tmp_path, openai, bx_umidtoken=None) as client:
        answer = await ask(client)
    check_refused(answer)
    assert answer.status_code == 401
    assert "QWEN_BX_UMIDTOKEN" in answer.json()["error"]["message"]
    check_nothing_left(openai)


async def test_an_oversized_request_is_refused(simulator: Simulator, openai: Listener, tmp_path: Path) -> None:
    """A body over the limit is taken, thrown away and answered with 413."""
    async with road("base URL", simulator.url, tmp_path, openai, request_limit=1000) as client:
        answer = await client.post("/v1/chat/completions", content=b"x" * 5000)
    check_refused(answer)
    assert answer.status_code == 413


async def test_streaming_options_of_mitmproxy_cannot_let_a_request_through(
    simulator: Simulator, openai: Listener, tmp_path: Path
) -> None:
    """`stream_large_bodies`, which forwards bodies while they come in, does not apply to ours."""
    from mitmproxy import ctx

    async with road("plain proxy", simulator.url, tmp_path, openai) as client:
        ctx.options.update(stream_large_bodies="1")
        assert (await ask(client)).status_code == 200
    check_nothing_left(openai)


async def test_another_addons_answer_stands(
    simulator: Simulator, openai: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response that some other addon sets is delivered, and Qwen is not asked."""

    def answer_here(_self: BridgeAddon, flow: http.HTTPFlow) -> None:
        flow.response = http.Response.make(418, b"teapot")

    async with road("tunnel", simulator.url, tmp_path, openai) as client:
        monkeypatch.setattr(BridgeAddon, "request", answer_here)
        assert (await ask(client)).status_code == 418
    assert simulator.ledger.to_json()["turns"] == []
    check_nothing_left(openai)
