"""mitmproxy's HTTP layer without a network: events in, commands out, one at a time.

A test says what the sockets and the addons would: bytes that arrive, connections that open or fail, hooks that are
done, timers that go off. What the layer commands is kept until the test answers it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from mitmproxy.connection import Client, Connection, ConnectionState, Server
from mitmproxy.http import HTTPFlow
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode

from qwen_bridge.bridge.bridge import Bridge
from qwen_bridge.errors import QwenUnreachable
from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.door import Door
from qwen_bridge.proxy.guard import Guard
from qwen_bridge.proxy.layer import BridgeHttpLayer
from qwen_bridge.proxy.network import Network
from qwen_bridge.proxy.stream import BridgeStream
from qwen_bridge.proxy.turn import QwenBridgeAttemptHook, QwenBridgeRememberHook, Turn
from qwen_bridge.qwen.answers import QwenModel
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.upstream.client import QwenClient
from qwen_bridge.upstream.files import DocumentUploader, store_pool
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.proxy import SESSION

LISTENER = ("127.0.0.1", 8080)
QUESTION = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}'
STREAMED = b'{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def post(body: bytes, *fields: bytes, path: bytes = b"/v1/chat/completions", version: bytes = b"1.1") -> bytes:
    """A POST at a base URL."""
    lines = [b"POST %s HTTP/%s" % (path, version), b"Host: bridge", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*lines, b"", b""]) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def opening() -> bytes:
    """Qwen's first frame."""
    return chunk(b'data: {"response.created":{"chat_id": "c", "parent_id": "u", "response_id":"r"}} \n\n')


def words(text: str, status: str = "typing") -> bytes:
    """A frame with words of the answer."""
    delta = {"role": "assistant", "content": text, "phase": "answer", "status": status}
    return chunk(b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n")


ANSWER = HEAD + opening() + words("Hi!") + words("", "finished") + END


class Drive:
    """One client connection. `sent` is what was written to each connection, `pending` what waits for the test."""

    def __init__(self, options: Options, make: Callable[[Context], HttpLayer] | None = None, alpn: bytes = b"") -> None:
        self.client = Client(
            peername=("127.0.0.1", 50000),
            sockname=LISTENER,
            timestamp_start=0,
            state=ConnectionState.OPEN,
            proxy_mode=ProxyMode.parse("regular"),
            alpn=alpn or None,
        )
        self.sent: defaultdict[Connection, bytes] = defaultdict(bytes)
        self.pending: list[commands.Command] = []
        self.told: list[commands.Command] = []
        context = Context(self.client, options)
        self.layer = make(context) if make is not None else HttpLayer(context, HTTPMode.regular)
        self.feed(events.Start())

    def feed(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            self.told.append(command)
            match command:
                case commands.SendData():
                    self.sent[command.connection] += command.data
                case commands.CloseConnection():
                    command.connection.state = ConnectionState.CLOSED
                case commands.OpenConnection() | commands.RequestWakeup() | commands.StartHook():
                    self.pending.append(command)

    # -- what sockets, timers and addons do -------------------------------------------------------------------------

    def receive(self, data: bytes, connection: Connection | None = None) -> None:
        """Bytes from a connection; from the client when none is named."""
        self.feed(events.DataReceived(connection or self.client, data))

    def closed(self, connection: Connection) -> None:
        """The other side is gone, or a connection that was closed here is wound up."""
        connection.state &= ~ConnectionState.CAN_READ
        self.feed(events.ConnectionClosed(connection))

    def opened(self, error: str | None = None) -> Server:
        """The connection that was asked for last is open, or has failed."""
        command = self.take(commands.OpenConnection)
        server = command.connection
        server.error = error
        if error is None:
            server.state = ConnectionState.OPEN
        self.feed(events.OpenConnectionCompleted(command, error))
        return server

    def done(self, hook: commands.StartHook) -> None:
        """The addons are through with a hook."""
        self.pending.remove(hook)
        self.feed(events.HookCompleted(hook))

    def wake(self, which: int = 0) -> commands.RequestWakeup:
        """A timer goes off: the oldest, or the one so many behind it."""
        command = self.all(commands.RequestWakeup)[which]
        self.pending.remove(command)
        self.feed(events.Wakeup(command))
        return command

    # -- what the layer wants ---------------------------------------------------------------------------------------

    def all[Kind: commands.Command](self, kind: type[Kind]) -> list[Kind]:
        return [command for command in self.pending if isinstance(command, kind)]

    def take[Kind: commands.Command](self, kind: type[Kind]) -> Kind:
        """The newest command of a kind that waits."""
        command = self.all(kind)[-1]
        self.pending.remove(command)
        return command

    @property
    def hooks(self) -> list[str]:
        """Every hook so far, by name."""
        return [command.name for command in self.told if isinstance(command, commands.StartHook)]

    def hook(self, name: str) -> commands.StartHook:
        """The hook of this name that waits."""
        return next(hook for hook in self.all(commands.StartHook) if hook.name == name)

    def through(self, *, but: Iterable[str] = ()) -> None:
        """Let every hook pass that is nobody's, and those of the answer to nothing; stop at those in `but`."""
        while waiting := [hook for hook in self.all(commands.StartHook) if hook.name not in but]:
            self.done(waiting[0])


class OneChat(QwenClient):
    """Qwen's other calls without a network: every chat that is opened is `chat`."""

    async def open_chat(self, credentials: Credentials, model: str, title: str) -> str:
        return "chat"

    async def models(self, credentials: Credentials) -> tuple[QwenModel, ...]:
        raise QwenUnreachable("There is no list of models here.")

    async def stop(self, credentials: Credentials, chat_id: str, response_id: str) -> None:
        """Nothing runs anywhere."""


class Bridged(Drive):
    """A client connection with the bridge's layer, a real bridge behind it, and the addon's part played by the test."""

    def __init__(self, options: Options, alpn: bytes = b"", **chosen: Any) -> None:
        self.settings = Settings(**{**SESSION, "upstream": "http://127.0.0.1:9000", "state": Path(), **chosen})
        self.clock = FixedClock()
        ids = CountedIds()
        # No trust: who could do TLS would read all certificates of the world first.
        client = OneChat(self.settings.upstream, self.clock, ids, False)
        uploader = DocumentUploader(client.call, self.clock, ids, store_pool(False))
        self.bridge = Bridge(self.settings, MemoryStore(self.clock), client, self.clock, ids, uploader)
        self.turns: dict[str, Turn] = {}
        border = (Guard(self.settings), Door.of(self.settings), Network(self.settings))
        self.desk = Desk(*border, self.turns, lambda: Turn(self.bridge), 0.5)
        super().__init__(options, self._make, alpn)

    def _make(self, context: Context) -> HttpLayer:
        layer = HttpLayer(context, HTTPMode.regular)
        BridgeHttpLayer.take_over(layer, lambda: self.desk)
        return layer

    async def settle(self) -> None:
        """Answer hooks as the addon does, until only connections and timers are waited for."""
        while waiting := self.all(commands.StartHook):
            hook = waiting[0]
            flow = cast(HTTPFlow, hook.args()[0])
            match hook:
                case QwenBridgeAttemptHook():
                    await self.turns[flow.id].advance()
                case QwenBridgeRememberHook():
                    await self.turns[flow.id].remember()
            if hook.name in ("response", "error"):
                self.turns.pop(flow.id, None)
            self.done(hook)

    async def ask(self, request: bytes = b"") -> Server:
        """A request up to its open connection to Qwen."""
        self.receive(request or post(STREAMED))
        await self.settle()
        server = self.opened()
        await self.settle()
        return server

    @property
    def stream(self) -> BridgeStream:
        """The only stream."""
        (stream,) = self.layer.streams.values()
        assert isinstance(stream, BridgeStream)
        return stream

    @property
    def answer(self) -> bytes:
        """What the client was sent."""
        return self.sent[self.client]
