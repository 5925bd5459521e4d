"""Random bytes of clients on the sockets of a real mitmproxy: every connection ends, and nothing goes to OpenAI."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import ctx
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings
from tests.fuzz.accidents import cut
from tests.fuzz.layering import judged
from tests.fuzz.responses import read_responses
from tests.fuzz.shares import CASES
from tests.fuzz.wires import first
from tests.harness.proxy import in_process
from tests.harness.sockets import HOST

AT_ONCE = 8
HANGS = 60.0
"""Seconds after which a connection is taken for one that never ends; a case takes milliseconds."""


class Watch:
    """Sees whom the proxy wants to connect to, and lets it reach nobody but the simulator."""

    def __init__(self, port: int) -> None:
        self.wanted: list[Any] = []
        self._port = port

    def server_connect(self, data: ServerConnectionHookData) -> None:
        if data.server.address != (HOST, self._port):
            self.wanted.append((data.server.address, data.server.error))
            data.server.error = data.server.error or "nobody is there"


@pytest.mark.timeout(7200)
async def test_whatever_clients_send_connections_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No hang, no exception, no illegal answer, and no connection to OpenAI that is not refused."""
    caplog.set_level(logging.ERROR)
    wrong: list[str] = []
    cases = iter(range(CASES["client's bytes, proxy"]))
    async with (
        Simulator(settings=Settings(max_streams=None)) as simulator,
        in_process(simulator.url, tmp_path, store="memory", attempts=1, account_streams=0) as proxy,
    ):
        watch = Watch(simulator.port)
        ctx.master.addons.add(watch)

        async def worker() -> None:
            for seed in cases:
                try:
                    raw = await asyncio.wait_for(_said(proxy.port, random.Random(seed)), HANGS)
                    wrong.extend(f"case {seed}: {fault}" for answer in read_responses(raw) for fault in judged(answer))
                except TimeoutError:
                    wrong.append(f"case {seed}: no end within {HANGS:g} seconds")
                except ValueError as error:
                    wrong.append(f"case {seed}: {error!r}")

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:20])
    assert [error for address, error in watch.wanted if "openai" in str(address) and not error] == []
    assert [record.getMessage() for record in caplog.records] == []


async def _said(port: int, rng: random.Random) -> bytes:
    """All that comes back on a connection whose client says its piece and then no more."""
    reader, writer = await asyncio.open_connection(HOST, port)
    received = bytearray()
    try:
        for piece in cut(rng, first(rng)):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        while data := await reader.read(65536):
            received += data
    except ConnectionError:
        pass  # the other side has heard enough
    finally:
        writer.close()
    return bytes(received)
