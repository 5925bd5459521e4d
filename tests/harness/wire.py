"""What tests over real sockets need: a bridge with a client, bytes by hand, and patience that ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import httpx

from qwen_bridge.proxy.addon import BridgeAddon
from qwen_bridge.proxy.stream import BridgeStream
from tests.conformance.framing import DONE, read_events
from tests.harness.proxy import Proxy, client, in_process
from tests.harness.sockets import HOST

CHAT = "/v1/chat/completions"


class Upstream(Protocol):
    """Whatever stands for Qwen."""

    @property
    def url(self) -> str:
        """Scheme, host and port."""


COMMENT = b": keep-alive\n\n"


def question(words: str = "Hello", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """The body of one request."""
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": words}], "stream": stream, **more}


@contextlib.asynccontextmanager
async def road(qwen: Upstream, state: Path, **chosen: Any) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    """A bridge to `qwen` in this process, and a plain client at its base URL."""
    async with in_process(qwen.url, state, **{"store": "memory", **chosen}) as proxy, client(proxy) as http:
        yield proxy, http


def addon_of(proxy: Proxy) -> BridgeAddon:
    """The addon of a bridge in this process."""
    assert proxy.addon is not None
    return proxy.addon


def said(raw: bytes) -> str:
    """The text of a stream."""
    chunks = [event for event in read_events(raw)[0] if event is not DONE and "choices" in event]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def failure(raw: bytes) -> str:
    """The code of the error event that ends a stream."""
    code: str = read_events(raw)[0][-1]["error"]["code"]
    return code


def text_of(answer: httpx.Response) -> str:
    """The text of a whole answer."""
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds; fail, naming `what`, when it never does."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"never happened: {what}")


async def until_forgotten(proxy: Proxy) -> None:
    """Wait until nothing in the bridge remembers a request: no turn, and no stream in any of mitmproxy's layers."""
    await until(lambda: not addon_of(proxy)._turns, "the turns are over")
    await until(lambda: not live_streams(), "the streams are dropped")


def live_streams() -> list[BridgeStream]:
    """Every claimed stream that something still holds."""
    gc.collect()  # a stream's states are its own bound methods, and so a ring of references
    return [thing for thing in gc.get_objects() if type(thing) is BridgeStream and thing.turn is not None]


def request(
    body: object = None, path: str = CHAT, *, method: str = "POST", version: str = "1.1", **fields: str
) -> bytes:
    """One HTTP/1 request as bytes; underscores in the names of `fields` are hyphens."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", *(f"{name.replace('_', '-')}: {v}" for name, v in fields.items())]
    lines += [f"content-length: {len(content)}"] if content else []
    return "\r\n".join([*lines, "", ""]).encode() + content


class Wire:
    """One client connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        """The next response's status line and headers."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)

    async def answer(self) -> tuple[bytes, bytes]:
        """The next response with a length or in chunks: head and body."""
        head = await self.head()
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            return head, await self._chunks()
        length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return head, await asyncio.wait_for(self.reader.readexactly(length), 20)

    async def rest(self) -> bytes:
        """Everything until the other side closes the connection."""
        return await asyncio.wait_for(self.reader.read(), 20)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await asyncio.wait_for(self.reader.readline(), 20), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body


@contextlib.asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A connection to `port` of this machine."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
