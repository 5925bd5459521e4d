"""The simulator as a real server: in-process for tests and benches (`Simulator`), or alone (`run`)."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from qwen_bridge.simulator import completions, control, endpoints, site, strikes
from qwen_bridge.simulator.certificate import make_certificate
from qwen_bridge.simulator.completions import Outcome
from qwen_bridge.simulator.connection import Connection
from qwen_bridge.simulator.ledger import Ledger
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.stream import Stream
from qwen_bridge.simulator.strikes import Break
from qwen_bridge.simulator.world import Settings, World

_HOST = "127.0.0.1"
_BACKLOG = 512


class _WallClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class Simulator:
    """A Qwen web chat on 127.0.0.1.

    `port` 0 takes a free one. `pace` is in events per second and stands for that of `settings`. With `tls`, a
    certificate is made for localhost, 127.0.0.1 and chat.qwen.ai, and `ca_path` is the file to trust; `certificate`
    gives files instead: (chain with key behind it or the chain alone, key), and `ca_path` is then the first of them.

    `async with Simulator() as simulator:` listens on entry (raises `OSError` when the port is taken) and drops every
    connection on exit. Inside, `url`, `ledger`, `script` and `world` are there.
    """

    def __init__(
        self,
        port: int = 0,
        tls: bool = False,
        pace: float | None = None,
        settings: Settings | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        chosen = settings or Settings()
        self.world = World(replace(chosen, pace=pace) if pace is not None else chosen, _WallClock())
        self.port = port
        self.ca_path: Path | None = None
        self._tls = tls
        self._certificate = certificate
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._streams: WeakSet[Stream] = WeakSet()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash behind."""
        return f"{'https' if self._tls else 'http'}://{_HOST}:{self.port}"

    @property
    def ledger(self) -> Ledger:
        return self.world.ledger

    def script(self, answers: Sequence[dict[str, Any]]) -> int:
        """Queue answers, as `POST /_simulator/script` does; return how many wait. Raises `ScriptError`."""
        return self.world.queue(list(answers))

    def reset(self) -> None:
        """Forget chats, files, script and ledger."""
        self.world.reset()

    def hurry(self) -> None:
        """Every answer that is on its way is said to its end at once: a test need not guess how long it lasts."""
        for stream in list(self._streams):
            stream.hurry()

    async def listen(self) -> None:
        """Take connections. Does nothing when it listens already."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Connection(self), _HOST, self.port, ssl=self._context, backlog=_BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.world.base_url = self.url

    async def stop_listening(self, *, drop: bool = True) -> None:
        """Refuse connections until `listen`: the port is closed. With `drop`, open ones are reset."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        if drop:
            for connection in list(self._connections):
                connection.abort()
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        if self._tls:
            self._context = self._make_context()
        try:
            await self.listen()
        except BaseException:
            self._tidy()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in list(self._streams):
            stream.cancel()
        await self.stop_listening()
        self._tidy()

    # What connections ask (`connection.Service`).

    def strike_at_head(self, request: Request) -> Break | None:
        return strikes.strike_at_head(self.world, request)

    def respond(self, request: Request) -> Outcome:
        path = request.path
        if path.startswith(control.PREFIX):
            return control.control(self.world, request)
        if request.method == "POST" and path == strikes.COMPLETIONS:
            return completions.complete(self.world, request)
        if (page := site.answer(self.world, request)) is not None:
            return page
        if path.startswith("/api/"):
            return strikes.strike(self.world, request) or endpoints.answer(self.world, request)
        if request.method == "PUT":
            return self.world.uploads.put(request)
        return Reply.json_of({"detail": "Not Found"}, 404)

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def started(self, stream: Stream) -> None:
        self._streams.add(stream)

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        chain, key = self._certificate or self._write_certificate()
        context.load_cert_chain(chain, key)
        if self.ca_path is None:
            self.ca_path = chain
        return context

    def _write_certificate(self) -> tuple[Path, Path]:
        """The `ssl` module reads keys from files only; they live as long as the simulator."""
        self._folder = tempfile.TemporaryDirectory(prefix="qwen-simulator-")
        folder = Path(self._folder.name)
        made = make_certificate(datetime.now(UTC))
        self.ca_path, chain, key = folder / "ca.pem", folder / "chain.pem", folder / "key.pem"
        self.ca_path.write_bytes(made.authority)
        chain.write_bytes(made.chain)
        key.touch(mode=0o600)
        key.write_bytes(made.key)
        return chain, key

    def _tidy(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()


def run(port: int = 8100, tls: bool = False, pace: float | None = None, max_streams: int | None = 2) -> None:
    """Run alone until interrupted or terminated; says on standard output where it listens.

    Ids differ from run to run, because a client may remember those of another. Raises `OSError` when the port is
    taken.
    """
    asyncio.run(_serve(Simulator(port, tls, pace, Settings(max_streams=max_streams, seed=os.urandom(8).hex()))))


async def _serve(simulator: Simulator) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with simulator:
        trust = f" (trust {simulator.ca_path})" if simulator.ca_path else ""
        print(f"Qwen simulator listening on {simulator.url}{trust}", flush=True)
        await over.wait()
