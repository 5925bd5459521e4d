"""Which traffic is the bridge's, and what must never be connected.

Three barriers stand behind one another, because each can only be as good as the hook or layer that carries it: the
stream claims a request by itself (`claims`), the hooks stop a request of ours that no stream has claimed
(`must_not_pass`), and the connection to an OpenAI host is refused when it is opened (`may_connect`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog
from mitmproxy import exceptions, http
from mitmproxy.connection import Address, Client
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from qwen_bridge.errors import InternalError
from qwen_bridge.proxy.door import is_of
from qwen_bridge.proxy.egress import way
from qwen_bridge.proxy.rewrite import error_response
from qwen_bridge.settings.settings import Settings

log = structlog.get_logger("qwen_bridge")

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104  (nothing is bound to them here)
"""Names of this machine that lead to a port of it."""


class Guard:
    """The border for one configuration. Pure: it looks at names and modes, and connects nothing itself."""

    def __init__(self, settings: Settings) -> None:
        self._openai = frozenset(settings.openai_hosts)
        self._qwen = settings.upstream_host
        self._learns = settings.learns
        self.upstream = settings.upstream
        self.address = (settings.upstream_host, settings.upstream_port)
        self.tls = settings.upstream_tls
        self.egress = settings.egress
        self.way = way(settings.egress)
        self.request_limit = settings.request_limit

    def claims(self, context: Context, request: http.Request, *, tunnelled: bool = False) -> bool:
        """Whether a request is the bridge's to answer.

        It is when it came to the proxy as to a server (origin form in regular mode, the listener's own address, or
        reverse mode: that is the base URL), or when any name it gives for its destination is OpenAI's. A tunnel is
        mitmproxy's to open, but not one within another (`tunnelled`).
        """
        if request.method == "CONNECT" and not tunnelled:
            return False
        return self.is_own(context, request) or self._any_openai(_names(context, request))

    def is_own(self, context: Context, request: http.Request) -> bool:
        """Whether a request came to the proxy as to a server, and not as a call to another host."""
        # An explicit proxy gets absolute URLs; a bare path means that the proxy itself was meant.
        inside_tunnel = context.server.address is not None
        if isinstance(context.client.proxy_mode, ReverseMode) or not (request.host or inside_tunnel):
            return True
        return _is_to_itself(context.client, request) or self.is_itself(context.client, context.server.address)

    def must_not_pass(self, flow: http.HTTPFlow) -> bool:
        """Whether a flow that no stream of ours has claimed has to be stopped.

        That is one that names OpenAI in any way, and one that came to the proxy as to a server: forwarded, it would go
        to wherever the listener points, or round in circles.
        """
        request, client = flow.request, flow.client_conn
        names = (request.host, request.pretty_host, client.sni, *(flow.server_conn.address or ())[:1])
        reverse = isinstance(client.proxy_mode, ReverseMode)
        return reverse or self._any_openai(names) or _is_to_itself(client, request)

    def is_openai(self, name: str) -> bool:
        """Whether a host is one whose traffic the bridge answers."""
        return self._any_openai((name,))

    def may_connect(self, names: Iterable[str | None]) -> bool:
        """Whether a connection to a server of these names (address, SNI) may be opened at all."""
        return not self._any_openai(names)

    def is_itself(self, client: Client, address: Address | None) -> bool:
        """Whether a client wants to be tunnelled to the listener that it has come to."""
        return address is not None and _is_itself(client, *address[:2])

    def tunnels(self, names: Iterable[str | None]) -> bool:
        """Whether a connection to these names is none of ours and passes undecrypted.

        Qwen's site is read where the browser's session is learned from it; there is no other reason to.
        """
        known = [_plain(name) for name in names if name]
        return bool(known) and not self._any_openai(known) and not (self._learns and self._qwen in known)

    def is_not_qwen(self, names: Iterable[str | None]) -> bool:
        """Whether these names are all those of others than Qwen's site."""
        known = [_plain(name) for name in names if name]
        return bool(known) and self._qwen not in known

    def _any_openai(self, names: Iterable[str | None]) -> bool:
        return any(is_of(_plain(name), self._openai) for name in names if name)


def fail_closed(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Run a hook of the addon so that nothing it raises reaches mitmproxy, which would go on as if nothing happened.

    A flow that was to be answered is answered with an `InternalError`, a connection that was to be opened stays closed,
    and the exception goes to the log. mitmproxy's own control exceptions pass.
    """
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def guarded_async(self: Any, *args: Any) -> Any:
            with _closing(hook.__name__, args):
                return await hook(self, *args)

        return guarded_async

    @functools.wraps(hook)
    def guarded(self: Any, *args: Any) -> Any:
        with _closing(hook.__name__, args):
            return hook(self, *args)

    return guarded


@contextlib.contextmanager
def _closing(name: str, args: tuple[Any, ...]) -> Iterator[None]:
    try:
        yield
    except (exceptions.AddonHalt, exceptions.OptionsError):
        raise
    except Exception:
        # Whatever it was: the one thing that must not happen is that mitmproxy goes on with the original request.
        log.exception("a hook failed; nothing was forwarded", hook=name)
        for subject in args:
            if isinstance(subject, http.HTTPFlow) and subject.response is None:
                subject.response = error_response(crash())
            elif isinstance(subject, ServerConnectionHookData):
                subject.server.error = "qwen-bridge failed to judge this connection"


def crash() -> InternalError:
    """What the client is told about a bug of ours."""
    return InternalError("The bridge failed on this request. Nothing was forwarded. See its log, and please report it.")


def _is_to_itself(client: Client, request: http.Request) -> bool:
    """Whether a request in absolute form, or in HTTP/2, names the listener that it came to."""
    return _is_itself(client, request.host, request.port)


def _is_itself(client: Client, host: str, port: int) -> bool:
    """Whether host and port are those of the listener, in any spelling: mitmproxy would not connect to these anyway."""
    return port == client.sockname[1] and _plain(host) in {_plain(client.sockname[0]), *_HERE}


def _names(context: Context, request: http.Request) -> tuple[str | None, ...]:
    address = context.server.address[0] if context.server.address else None
    return (request.host, request.pretty_host, context.client.sni, address)


def _plain(name: str) -> str:
    """A host name as it is compared: lower case, no trailing dot, no brackets."""
    return name.lower().rstrip(".").strip("[]")
