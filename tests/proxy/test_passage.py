"""What passes undecrypted, and who may pass."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.proxy import commands, events, layers
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.test import taddons

from qwen_bridge.proxy.passage import Refuse, pass_by
from tests.proxy.test_guard import context

HOST = "192.0.2.1"


def beginning(data: bytes, mode: str = "regular", server: str | None = HOST) -> NextLayer:
    """A client's first bytes in a tunnel."""
    made = NextLayer(context(mode, server=server))
    made.events.append(events.DataReceived(made.context.client, data))
    return made


def passed(nextlayer: NextLayer, *, foreign: bool = True, may_pass: bool = True) -> bool:
    with taddons.context(options=None):
        return pass_by(nextlayer, lambda _: foreign, lambda _: may_pass)


def test_a_foreign_tunnel_is_joined_unread() -> None:
    """mitmproxy shows nothing of it."""
    tunnel = beginning(b"GET / HTTP/1.1\r\n")
    assert passed(tunnel)
    assert isinstance(tunnel.layer, layers.TCPLayer)
    assert tunnel.layer.flow is None


@pytest.mark.parametrize(
    ("foreign", "mode", "server"),
    [(False, "regular", HOST), (True, "reverse:https://x", HOST), (True, "regular", None)],
)
def test_what_is_no_foreign_tunnel_is_left_to_others(foreign: bool, mode: str, server: Any) -> None:
    """Ours, a reverse proxy's, and what is no tunnel at all."""
    other = beginning(b"GET / HTTP/1.1\r\n", mode, server)
    assert not passed(other, foreign=foreign)
    assert other.layer is None


def test_who_may_not_pass_is_disconnected() -> None:
    """At the first event."""
    tunnel = beginning(b"GET / HTTP/1.1\r\n")
    assert passed(tunnel, may_pass=False)
    assert isinstance(tunnel.layer, Refuse)
    (closing,) = tunnel.layer.handle_event(events.Start())
    assert isinstance(closing, commands.CloseConnection)
    assert closing.connection is tunnel.context.client


def test_half_a_hello_keeps_everybody_from_deciding() -> None:
    """The name is in the rest of it."""
    with pytest.raises(exceptions.AddonHalt):
        passed(beginning(b"\x16\x03\x01\x02"))
