"""mitmproxy's sockets, as far as the bridge has to reach for them: what no hook tells and no layer sees.

A layer hands bytes out and never hears whether anybody takes them. Behind it mitmproxy stops reading from Qwen while a
client's socket is full (`drain_writers`), which is right; but to a layer that looks like Qwen's silence. So the stream
asks here, tick by tick, whether its client is behind, and for how long it has taken nothing.

And mitmproxy listens with asyncio's backlog: a hundred connections that it has not taken yet. Of a thousand clients at
one moment the kernel drops the others' first packet, which is sent again after 1, 3, 7 seconds (measured: 1,200 at once
took 14.5 s instead of 3.5), and may reset them when its cookies are used up.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import struct
from collections.abc import Iterable
from typing import Any

from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = termios = None  # type: ignore[assignment]

WAITING = 4096
"""Connections that may wait to be taken; the kernel's own limit (`somaxconn` on Linux) cuts it where it is lower."""

STREAMS_PER_CLIENT = 1000
"""Connections to Qwen for one client connection. mitmproxy allows five, and one HTTP/2 client carries many streams."""


class Outlet:
    """The way to one client: how much of what was sent it has not taken."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._left = 0
        self._since: float | None = None

    def unread(self, now: float) -> float | None:
        """Seconds for which the client has taken nothing of what waits for it; None while it is not behind.

        It is behind while more waits than what mitmproxy reads on at (`drain`): it may hold Qwen back. `now` is on a
        clock that never jumps; to be called about every second.
        """
        transport = self._writer.transport
        waiting = transport.get_write_buffer_size()
        if waiting <= transport.get_write_buffer_limits()[0]:
            self._since = None
            return None
        left = waiting + _in_kernel(self._writer)
        if self._since is None or left < self._left:
            self._since = now
        self._left = left
        return now - self._since


class Sockets:
    """The sockets of one mitmproxy."""

    def __init__(self) -> None:
        self._outlets: dict[str, Outlet] = {}
        self._proxyserver: Proxyserver

    def keep_room(self, proxyserver: Proxyserver) -> None:
        """Let more clients wait at each of mitmproxy's ports, from now on; ports may come later."""
        self._proxyserver = proxyserver
        self._make_room()
        proxyserver.servers.changed.connect(self._make_room)  # which is not kept alive by it

    def _make_room(self) -> None:
        for instance in self._proxyserver.servers:
            for server in getattr(instance, "_servers", ()):
                for listening in getattr(server, "sockets", ()):  # UDP has none
                    with contextlib.suppress(OSError), listening.dup() as same:
                        same.listen(WAITING)  # on a socket that listens it changes the backlog, and nothing else

    def opened(self, handlers: Iterable[Any], client: Client) -> None:
        """A client has connected; `handlers` are mitmproxy's, one for each connection."""
        handler = next((handler for handler in handlers if handler.client is client), None)
        if handler is None:
            return
        handler.max_conns = collections.defaultdict(lambda: asyncio.Semaphore(STREAMS_PER_CLIENT))
        writer = handler.transports[client].writer
        if isinstance(writer, asyncio.StreamWriter):  # mitmproxy's own streams, of its other modes, tell nothing
            self._outlets[client.id] = Outlet(writer)

    def closed(self, client: Client) -> None:
        """The client has gone."""
        self._outlets.pop(client.id, None)

    def unread(self, client: Client, now: float) -> float | None:
        """See `Outlet.unread`; None also for a client whose socket cannot be seen."""
        outlet = self._outlets.get(client.id)
        return outlet.unread(now) if outlet is not None else None


def _in_kernel(writer: asyncio.StreamWriter) -> int:
    """Bytes that the kernel holds for the client, where it says so (Linux): it takes them long before the process sees
    that its own buffer shrinks. Elsewhere 0.
    """
    connection: socket.socket | None = writer.get_extra_info("socket")
    if fcntl is None or connection is None:
        return 0
    try:
        told = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return 0
    count: int = struct.unpack("i", told)[0]
    return count
