"""What passes through the proxy undecrypted: a tunnel to a host that is none of ours is joined to it, and not read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from mitmproxy import ctx, exceptions
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, layer, layers
from mitmproxy.proxy.layers.tls import parse_client_hello
from mitmproxy.proxy.mode_specs import ReverseMode

from qwen_bridge.proxy.egress import tunnel_to
from qwen_bridge.proxy.guard import Guard


def pass_by(
    nextlayer: layer.NextLayer, tunnels: Callable[[Iterable[str | None]], bool], may_pass: Callable[[Client], bool]
) -> bool:
    """Choose the layer of a connection that `tunnels` says is not to be read, by its names; False for any other.

    Who may not pass is disconnected. Raises `AddonHalt` while it cannot be told, which keeps everybody from deciding.
    """
    context = nextlayer.context
    if (
        nextlayer.layer is not None
        or context.server.address is None
        or isinstance(context.client.proxy_mode, ReverseMode)
    ):
        return False
    names = _names(nextlayer)
    if names is None:
        raise exceptions.AddonHalt  # all are asked again when there is more of the hello
    if not tunnels(names):
        return False
    passes = may_pass(context.client)
    nextlayer.layer = layers.TCPLayer(context, ignore=not ctx.options.show_ignored_hosts) if passes else Refuse(context)
    return True


def take_along(nextlayer: layer.NextLayer, guard: Guard) -> None:
    """Let a tunnel to Qwen's site that passes go the way that everything to Qwen goes, where a proxy is set for it."""
    context, passing = nextlayer.context, nextlayer.layer
    if guard.egress is not None and context.server.address == guard.address and isinstance(passing, layers.TCPLayer):
        way = tunnel_to(context, guard.egress)
        way.child_layer = passing
        nextlayer.layer = way


class Refuse(layer.Layer):
    """Closes the client's connection at the first event."""

    def _handle_event(self, _event: Any) -> layer.CommandGenerator[None]:
        yield commands.CloseConnection(self.context.client)


def _names(nextlayer: layer.NextLayer) -> tuple[str | None, ...] | None:
    """What a client calls the server it tunnels to: the address, and the name in its TLS hello; None while that is
    incomplete. A client that resolves names itself, as many do behind SOCKS, says OpenAI's name only there.
    """
    context, data = nextlayer.context, nextlayer.data_client()
    sni = context.client.sni
    if data[:1] == b"\x16":  # a TLS handshake record
        with contextlib.suppress(ValueError):  # it was none after all
            hello = parse_client_hello(data)
            if hello is None:
                return None
            sni = hello.sni
    return (context.server.address[0] if context.server.address else None, sni)
