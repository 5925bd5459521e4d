"""The browser's traffic with Qwen's site on its way through mitmproxy: passed on as it is, and looked at.

What it teaches is for `lessons` to say. A request counts when it goes to Qwen's own host over TLS that mitmproxy has
verified, and comes from a client that may use the proxy. Nothing here sends anything, or keeps a body.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy import layer

from qwen_bridge.bridge.lessons import Lessons, Watch
from qwen_bridge.bridge.machine import SystemClock
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.observe.logs import configure
from qwen_bridge.proxy.guard import Guard
from qwen_bridge.proxy.network import Network
from qwen_bridge.proxy.options import PREFIX, declared, in_force, refuse
from qwen_bridge.proxy.passage import pass_by
from qwen_bridge.proxy.rewrite import decoded
from qwen_bridge.settings.settings import Settings

log = structlog.get_logger("qwen_bridge")


class Learner:
    """The hooks for flows that are nobody else's, for one configuration.

    `verified`: mitmproxy verifies the certificates of servers. `may_pass` says which clients may use the proxy.
    """

    def __init__(self, settings: Settings, may_pass: Callable[[Client], bool], *, verified: bool) -> None:
        self._address = (settings.upstream_host, settings.upstream_port)
        self._active = settings.learns
        learns = settings.learns and settings.upstream_tls and verified
        self._lessons = Lessons(settings, SystemClock()) if learns else None
        self._may_pass = may_pass
        self._watches: dict[str, Watch] = {}

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request goes out: not held back, whatever its size."""
        request = flow.request
        if not self._active or (request.host, request.port) != self._address:
            return
        request.stream = True
        encrypted = request.scheme == "https" and request.pretty_host == request.host
        if self._lessons is not None and encrypted and self._may_pass(flow.client_conn):
            watch = _safely(self._lessons.begin, request.method, request.path, decoded(request.headers))
            if watch is not None:
                self._watches[flow.id] = watch

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Its answer begins: each piece of it goes to the browser as it comes."""
        response = flow.response
        if response is None or not self._active or (flow.request.host, flow.request.port) != self._address:
            return
        watch = self._watches.get(flow.id)
        response.stream = True if watch is None else _passing(watch)
        if watch is not None:
            _safely(watch.responded, response.status_code, decoded(response.headers))

    def response(self, flow: http.HTTPFlow) -> None:
        """Its answer is complete."""
        watch = self._watches.pop(flow.id, None)
        if watch is not None:
            _safely(watch.close)

    def error(self, flow: http.HTTPFlow) -> None:
        """It has failed, and teaches nothing more."""
        self._watches.pop(flow.id, None)


def _passing(watch: Watch) -> Callable[[bytes], bytes | list[bytes]]:
    """A stream function that gives back what it gets; `b""` would end the body too early (mitmproxy's PR 8242)."""

    def passed(data: bytes) -> bytes | list[bytes]:
        if not data:
            return []
        _safely(watch.feed, data)
        return data

    return passed


def _safely[T](look: Callable[..., T], *given: str | int | bytes | Headers) -> T | None:
    """What passes is the browser's: a failure of ours must not hold it up. It teaches nothing then."""
    try:
        return look(*given)
    except Exception:
        log.exception("a browser's request could not be looked at")
        return None


class LearningAddon:
    """Only this: `addons = [LearningAddon()]` learns sessions for a bridge that runs elsewhere on the machine."""

    def __init__(self) -> None:
        self._declared = False
        self._learner: Learner | None = None
        self._guard: Guard | None = None
        self._network: Network | None = None

    def load(self, loader: Loader) -> None:
        configure()
        self._declared = declared(loader)

    def configure(self, updated: set[str]) -> None:
        if not (self._declared and any(name.startswith(PREFIX) or name == "ssl_insecure" for name in updated)):
            return
        by_script = self._guard is None and self not in ctx.master.addons.chain
        settings = in_force(ctx.options, by_script=by_script)
        if settings is None:
            return
        if settings.learn == "off":
            refuse(exceptions.OptionsError("qwen_learn is off, and this addon does nothing else"), by_script=by_script)
            return
        settings = settings.model_copy(update={"learn": "on"})
        self._guard, self._network = Guard(settings), Network(settings, lambda: bool(ctx.options.proxyauth))
        self._learner = Learner(settings, self._network.may_pass, verified=not ctx.options.ssl_insecure)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        if self._guard is not None and self._network is not None:
            pass_by(nextlayer, self._guard.is_not_qwen, self._network.may_pass)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if self._learner is not None:
            self._learner.requestheaders(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if self._learner is not None:
            self._learner.responseheaders(flow)

    def response(self, flow: http.HTTPFlow) -> None:
        if self._learner is not None:
            self._learner.response(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        if self._learner is not None:
            self._learner.error(flow)
