"""Tunnels to Qwen, byte by byte. Through real proxies: `tests/e2e/test_egress.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from mitmproxy.connection import Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import CommandGenerator, Layer

from qwen_bridge.proxy.egress import SocksTunnel, tunnel_to, way
from qwen_bridge.settings.egress import Egress, egress_of
from tests.proxy.test_network import HERE, peer


class Child(Layer):
    """Opens the connection, and keeps what it hears."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.told: list[object] = []

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        if isinstance(event, events.Start):
            self.told.append((yield commands.OpenConnection(self.context.server)))
        elif isinstance(event, events.DataReceived):
            self.told.append(event.data)


class Talk:
    """A tunnel, and a proxy whose replies the test gives."""

    def __init__(self, host: str, proxy: str) -> None:
        context = Context(peer(HERE), Options())
        context.server = Server(address=(host, 443))
        made = tunnel_to(context, egress_of(proxy))
        assert isinstance(made, SocksTunnel)
        self.tunnel, self.child = made, Child(context)
        self.tunnel.child_layer = self.child
        self.sent = b""
        (opening,) = self._take(self.tunnel.handle_event(events.Start()))
        assert isinstance(opening, commands.OpenConnection)
        opening.connection.state = opening.connection.state.OPEN
        self._take(self.tunnel.handle_event(events.OpenConnectionCompleted(opening, None)))

    def reply(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._take(self.tunnel.handle_event(events.DataReceived(self.tunnel.tunnel_connection, piece)))

    def _take(self, given: Iterator[commands.Command]) -> Sequence[commands.Command]:
        others = []
        for command in given:
            if isinstance(command, commands.SendData):
                self.sent += command.data
            else:
                others.append(command)
        return others


CONNECTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("chat.qwen.ai", b"\x03\x0cchat.qwen.ai"),
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("::1", b"\x04" + b"\x00" * 15 + b"\x01"),
    ],
)
def test_a_tunnel_opens_however_the_replies_are_cut(cut: int, host: str, place: bytes) -> None:
    """The proxy is told the name, not an address of it; what it brings behind its last reply is Qwen's."""
    talk = Talk(host, "socks5://proxy")
    assert talk.sent == b"\x05\x01\x00"
    talk.reply(*(b"\x05\x00"[i : i + cut] for i in range(0, 2, cut)))
    assert talk.sent[3:] == b"\x05\x01\x00" + place + b"\x01\xbb"
    bound = b"\x05\x00\x00\x03\x04host\x00\x50" + b"early words"
    talk.reply(*(bound[i : i + cut] for i in range(0, len(bound), cut)))
    assert talk.child.told[0] is None
    assert b"".join(piece for piece in talk.child.told[1:] if isinstance(piece, bytes)) == b"early words"


def test_a_password_is_given_when_it_is_asked_for() -> None:
    """Both ways are offered, and name and password sent only then."""
    talk = Talk("chat.qwen.ai", "socks5://anna:secret@proxy")
    assert talk.sent == b"\x05\x02\x00\x02"
    talk.reply(b"\x05\x02")
    assert talk.sent[4:] == b"\x01\x04anna\x06secret"
    talk.reply(b"\x01\x00", CONNECTED)
    assert talk.child.told == [None]


@pytest.mark.parametrize(
    ("proxy", "replies", "words"),
    [
        ("socks5://proxy", [b"\x05\xff"], "another way of signing in"),
        ("socks5://proxy", [b"\x05\x02"], "another way of signing in"),
        ("socks5://proxy", [b"HTTP/1.1 400 Bad Request\r\n"], "does not speak SOCKS5"),
        ("socks5://proxy", [b"\x05\x00", b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"], "the host refuses"),
        ("socks5://proxy", [b"\x05\x00", b"\x05\x63\x00\x01\x00\x00\x00\x00\x00\x00"], "code 99"),
        ("socks5://proxy", [b"\x05\x00", b"\x05\x00\x00\x09\x00\x00"], "does not speak SOCKS5"),
        ("socks5://anna:secret@proxy", [b"\x05\x02", b"\x01\x01"], "does not accept user and password"),
    ],
)
def test_a_refusal_says_why(proxy: str, replies: list[bytes], words: str) -> None:
    """Whatever the proxy does not do, the client hears of, and no password."""
    talk = Talk("chat.qwen.ai", proxy)
    talk.reply(*replies)
    (error,) = talk.child.told
    assert words in str(error)
    assert "secret" not in str(error)


def test_ways_are_told_apart() -> None:
    """A connection made by one proxy is none by another, nor a direct one; no password stands in the note."""
    assert way(None) is None
    assert way(egress_of("socks5://a:b@p")) == ("socks5", ("p", 1080)) != way(Egress("http", "p", 1080))
