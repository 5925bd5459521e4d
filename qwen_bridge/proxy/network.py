"""Who may reach the bridge over a network: which machines are served, and that it is nobody's open proxy.

mitmdump listens on all addresses unless it is told otherwise, and the bridge answers with somebody's Qwen account. So
the address of the peer decides, not that of the listener: this machine is served, any other only once client keys are
set (or its owner says that there shall be none). And a proxy that anybody may use hides whoever uses it: from other
machines only what the bridge itself answers is taken, no passage to other hosts, unless mitmproxy's own `proxyauth`
guards it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import LocalMode, UpstreamMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from qwen_bridge.errors import BridgeError, HeadersTooLarge, NetworkRefused
from qwen_bridge.settings.access import is_loopback
from qwen_bridge.settings.settings import Settings


class Network:
    """What the machines around may do, for one configuration. Pure."""

    def __init__(self, settings: Settings, guarded: Callable[[], bool] = lambda: False) -> None:
        """`guarded` says whether the proxy itself asks for a password."""
        self._open = settings.serves_network
        self._keyless = settings.open_to_network and not settings.client_keys
        self._header_limit = settings.header_limit
        egress = settings.egress
        self._way = [
            (settings.upstream_host, settings.upstream_port),
            *([(egress.host, egress.port)] if egress else []),
        ]
        self._guarded = guarded

    def refusal(self, client: Client, request: http.Request) -> BridgeError | None:
        """Why a request that is the bridge's to answer is not answered, known from its head alone."""
        if not (self._open or is_here(client)):
            return NetworkRefused(
                "This bridge serves the machine it runs on. To use it from another one, set `client_keys` for it, and "
                "give your client one of the keys (docs/security.md)."
            )
        size = sum(len(name) + len(value) + 4 for name, value in request.headers.fields) + len(request.path)
        if size > self._header_limit:
            return HeadersTooLarge(
                f"The request's headers have {size:,} bytes, and the bridge takes {self._header_limit:,} at most "
                "(`header_limit`)."
            )
        return None

    def passage_refusal(self, client: Client) -> BridgeError | None:
        """Why a client's request to another host is not passed on."""
        if is_here(client) or self._guarded():
            return None
        return NetworkRefused(
            "This proxy takes other machines to no host. Send it the requests for OpenAI only, or let its owner set "
            "mitmproxy's option `proxyauth`."
        )

    def may_pass(self, client: Client) -> bool:
        """Whether a client may use the proxy for other hosts than those that the bridge answers for."""
        return self.passage_refusal(client) is None

    def leads_astray(self, data: ServerConnectionHookData) -> bool:
        """Whether a connection, about to be opened, takes another machine past the bridge: the last barrier."""
        if isinstance(data.client.proxy_mode, UpstreamMode):
            return False  # everything goes to that proxy, and what may not was refused before
        return data.server.address not in self._way and self.passage_refusal(data.client) is not None

    @property
    def reads(self) -> frozenset[str]:
        """Headers that mitmproxy has still to read after us, and takes out itself: those with the proxy's password."""
        return frozenset({"proxy-authorization", "authorization"}) if self._guarded() else frozenset()

    def advice(self, listening: Iterable[str]) -> str:
        """What to tell the owner about the addresses that are listened on; empty when only this machine has them."""
        outside = [host or "all addresses" for host in listening if not (host and is_loopback(host))]
        if not outside:
            return ""
        if self._keyless:
            return f"whoever reaches {', '.join(outside)} uses your Qwen account: open_to_network is set"
        if self._open:
            return ""
        return (
            f"other machines can reach {', '.join(outside)}, and are refused: use --listen-host 127.0.0.1, or set "
            "client_keys to serve them"
        )


def is_here(client: Client) -> bool:
    """Whether a connection comes from this machine. What has no address that can be read does not."""
    if isinstance(client.proxy_mode, LocalMode):
        return True  # programs of this machine, captured with addresses of all sorts
    return bool(client.peername) and is_loopback(client.peername[0])
