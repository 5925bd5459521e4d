"""What of mitmproxy's sockets is reached for, with real sockets of the kernel's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.server import ConnectionIO
from mitmproxy.test import taddons

from qwen_bridge.proxy import sockets
from qwen_bridge.proxy.sockets import STREAMS_PER_CLIENT, WAITING, Outlet, Sockets
from tests.harness.sockets import HOST, free_port
from tests.harness.wire import until
from tests.proxy.test_guard import context as connection


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamWriter, socket.socket]]:
    """The writer to a client with little room, and the client's end."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), HOST, 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, server.sockets[0].getsockname())
        writer = await accepted
        yield writer, client
        writer.transport.abort()
    server.close()


@pytest.fixture(params=[True, False], ids=["kernel tells", "kernel tells nothing"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(sockets, "fcntl", None)


def fill(writer: asyncio.StreamWriter) -> int:
    """Send more than the kernel takes; how much."""
    total = 0
    while writer.transport.get_write_buffer_size() < 1_000_000:
        writer.write(bytes(100_000))
        total += 100_000
    return total


@pytest.mark.usefixtures("_kernel")
async def test_a_client_that_takes_nothing_is_behind_for_longer_and_longer() -> None:
    """From the first look at which too much waits; once it has taken everything it is behind no more."""
    async with connected() as (writer, client):
        outlet = Outlet(writer)
        assert outlet.unread(0.0) is None
        total = fill(writer)
        assert [outlet.unread(now) for now in (10.0, 11.0, 15.0)] == [0.0, 1.0, 5.0]
        while total:
            total -= len(await asyncio.get_running_loop().sock_recv(client, 1_000_000))
        assert outlet.unread(16.0) is None
        fill(writer)
        assert outlet.unread(30.0) == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell")
async def test_a_slow_client_is_not_stuck() -> None:
    """What it takes out of the kernel counts, though the process's own buffer has not moved yet."""
    async with connected() as (writer, client):
        outlet = Outlet(writer)
        fill(writer)
        before = writer.transport.get_write_buffer_size()
        outlet.unread(0.0)
        for now in (1.0, 2.0, 3.0):
            while outlet.unread(now) != 0.0:
                await asyncio.get_running_loop().sock_recv(client, 4096)
        assert writer.transport.get_write_buffer_size() == before


async def test_a_connection_that_is_gone_is_nobodys_trouble() -> None:
    """Its socket is closed, and what waited is forgotten."""
    async with connected() as (writer, _):
        outlet = Outlet(writer)
        fill(writer)
        writer.transport.abort()
        await asyncio.sleep(0)
        assert outlet.unread(1.0) is None


class Handler:
    """mitmproxy's, as far as it is looked at."""

    def __init__(self, writer: Any) -> None:
        self.client = connection().client
        self.max_conns: Any = None
        self.transports = {self.client: ConnectionIO(writer=writer)}


async def test_each_client_has_its_own_outlet() -> None:
    """A client is known from its first moment to its last; of a stream that is not asyncio's nothing is known."""
    async with connected() as (writer, _):
        ours, other, strange = Handler(writer), Handler(writer), Handler(object())
        known = Sockets()
        for handler in (ours, strange):
            known.opened([other, ours, strange], handler.client)
            assert handler.max_conns["anywhere"]._value == STREAMS_PER_CLIENT
        assert other.max_conns is None
        fill(writer)
        assert [known.unread(each.client, 1.0) for each in (ours, other, strange)] == [0.0, None, None]
        known.closed(ours.client)
        known.closed(ours.client)
        assert known.unread(ours.client, 2.0) is None
        known.opened([], other.client)


async def test_more_clients_may_wait_at_every_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """At those of the start and at those that an option opens later; `listen` on a listening socket is legal."""
    room: list[int] = []
    listen = socket.socket.listen

    def listened(self: socket.socket, *args: int) -> None:
        room.extend(args)
        listen(self, *args)

    addon = Proxyserver()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, listen_host=HOST, mode=[f"regular@{free_port()}"])
        await addon.setup_servers()
        addon.running()
        monkeypatch.setattr(socket.socket, "listen", listened)
        known = Sockets()
        known.keep_room(addon)
        assert room == [WAITING]
        tctx.configure(addon, mode=[f"regular@{free_port()}", f"reverse:http://{HOST}:1@{free_port()}"])
        await until(lambda: len(addon.listen_addrs()) == 2 and room.count(WAITING) == 3, "both ports have room")
        for port in [address[1] for address in addon.listen_addrs()]:
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
        tctx.configure(addon, mode=[])
        await until(lambda: not addon.servers._instances, "the ports are closed")
