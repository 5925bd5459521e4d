"""The way to Qwen through a proxy of the user's: tunnels for mitmproxy's layers, with the user's password in them.

mitmproxy speaks to HTTP proxies by itself and takes one password for all of them from an option; it knows no SOCKS on
its way out. Both tunnels are made here and used for Qwen alone. The proxy resolves the name: nothing about the
destination goes to a DNS of this machine.
"""

from __future__ import annotations

from base64 import b64encode
from ipaddress import ip_address
from typing import cast

from mitmproxy.connection import Server
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.proxy import commands, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._hooks import HttpConnectUpstreamHook
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy

from qwen_bridge.settings.egress import Egress

NO_PASSWORD, USER_AND_PASSWORD = b"\x00", b"\x02"
"""Ways of signing in at a SOCKS proxy (RFC 1928)."""

_REFUSALS = {
    1: "it failed",
    2: "its rules forbid it",
    3: "the network cannot be reached",
    4: "the host cannot be reached",
    5: "the host refuses",
    6: "it took too long",
}


def way(egress: Egress | None) -> ServerSpec | None:
    """How mitmproxy notes the way of a connection: those of different ways are not confused."""
    return None if egress is None else cast(ServerSpec, (egress.scheme, (egress.host, egress.port)))


def tunnel_to(context: Context, egress: Egress) -> tunnel.TunnelLayer:
    """A tunnel to `context.server` through the proxy."""
    proxy = Server(address=(egress.host, egress.port))
    return SocksTunnel(context, proxy, egress) if egress.scheme == "socks5" else HttpTunnel(context, proxy, egress)


class HttpTunnel(HttpUpstreamProxy):
    """A tunnel by CONNECT, also to a Qwen without TLS: the proxy sees nothing but where it goes."""

    def __init__(self, context: Context, proxy: Server, egress: Egress) -> None:
        super().__init__(context, proxy, send_connect=True)
        self._egress = egress

    def start_handshake(self) -> layer.CommandGenerator[None]:
        for command in super().start_handshake():
            if isinstance(command, HttpConnectUpstreamHook):
                yield command
                headers = command.flow.request.headers
                headers.pop("proxy-authorization", None)  # mitmproxy's own option is for another proxy
                if self._egress.user:
                    known = f"{self._egress.user}:{self._egress.password}".encode()
                    headers["proxy-authorization"] = f"Basic {b64encode(known).decode()}"
            else:
                yield command


class SocksTunnel(tunnel.TunnelLayer):
    """A tunnel by SOCKS5 (RFC 1928, RFC 1929). What the proxy says may come in any pieces."""

    def __init__(self, context: Context, proxy: Server, egress: Egress) -> None:
        super().__init__(context, tunnel_connection=proxy, conn=context.server)
        self._egress = egress
        self._address = context.server.address
        self._buffer = b""
        self._step = self._signing_in

    def start_handshake(self) -> layer.CommandGenerator[None]:
        ways = NO_PASSWORD + (USER_AND_PASSWORD if self._egress.user else b"")
        yield commands.SendData(self.tunnel_connection, b"\x05" + bytes([len(ways)]) + ways)

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        self._buffer += data
        done, error, step = False, None, None
        while error is None and not done and step is not self._step:
            step = self._step
            answer, done, error = step()
            if answer:
                yield commands.SendData(self.tunnel_connection, answer)
        if done and self._buffer:
            rest, self._buffer = self._buffer, b""
            yield from self.receive_data(rest)
        return done, error

    # Each step reads one reply of the proxy, if it is there, and gives what to send, whether all is done, and an error.

    def _signing_in(self) -> tuple[bytes, bool, str | None]:
        reply = self._take(2)
        if reply is None:
            return b"", False, None
        if reply == b"\x05" + NO_PASSWORD:
            self._step = self._connecting
            return self._destination(), False, None
        if reply == b"\x05" + USER_AND_PASSWORD and self._egress.user:
            self._step = self._knowing
            user, password = self._egress.user.encode(), self._egress.password.encode()
            return b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password, False, None
        if reply[:1] != b"\x05":
            return b"", False, "the proxy does not speak SOCKS5"
        return b"", False, "the SOCKS proxy wants another way of signing in"

    def _knowing(self) -> tuple[bytes, bool, str | None]:
        reply = self._take(2)
        if reply is None:
            return b"", False, None
        if reply[1:] != b"\x00":
            return b"", False, "the SOCKS proxy does not accept user and password"
        self._step = self._connecting
        return self._destination(), False, None

    def _connecting(self) -> tuple[bytes, bool, str | None]:
        if len(self._buffer) < 5:
            return b"", False, None
        kind, length = self._buffer[3], self._buffer[4]
        size = {1: 4, 3: 1 + length, 4: 16}.get(kind)
        if self._buffer[0] != 5 or size is None:
            return b"", False, "the proxy does not speak SOCKS5"
        reply = self._take(4 + size + 2)
        if reply is None:
            return b"", False, None
        reason = _REFUSALS.get(reply[1], f"code {reply[1]}")
        return b"", reply[1] == 0, None if reply[1] == 0 else f"the SOCKS proxy does not connect: {reason}"

    def _take(self, size: int) -> bytes | None:
        if len(self._buffer) < size:
            return None
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _destination(self) -> bytes:
        place: bytes
        assert self._address is not None
        host, port = self._address[:2]
        try:
            address = ip_address(host)
            place = (b"\x01" if address.version == 4 else b"\x04") + address.packed
        except ValueError:
            name = host.encode("idna")
            place = b"\x03" + bytes([len(name)]) + name
        return b"\x05\x01\x00" + place + int(port).to_bytes(2)
