"""The addon: hooks, each a few lines, each under the guard.

`-s` scripts stand before mitmproxy's own `NextLayer` and `TlsConfig` in the chain, so `next_layer` asks the built-in
first and then takes over what it made. Added by a program, the addon would stand behind them, where every tunnel is
decided already; `running` moves it. Lifecycle hooks are plain functions: mitmproxy cannot reload a script whose
`done` is a coroutine.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator
from typing import Any

import structlog
from mitmproxy import contentviews, ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from qwen_bridge.bridge.bridge import Bridge
from qwen_bridge.bridge.cautions import cautions
from qwen_bridge.errors import InternalError
from qwen_bridge.observe.journal import Journal
from qwen_bridge.observe.logs import configure
from qwen_bridge.observe.metrics import PrometheusMetrics
from qwen_bridge.observe.turns import count
from qwen_bridge.observe.version import bridge_version
from qwen_bridge.proxy.control import Control
from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.door import Door
from qwen_bridge.proxy.ending import Ending
from qwen_bridge.proxy.guard import Guard, crash, fail_closed
from qwen_bridge.proxy.layer import BridgeHttpLayer
from qwen_bridge.proxy.learning import Learner
from qwen_bridge.proxy.memory import Memory
from qwen_bridge.proxy.network import Network
from qwen_bridge.proxy.options import PREFIX, declared, in_force
from qwen_bridge.proxy.passage import Refuse, pass_by, take_along
from qwen_bridge.proxy.rewrite import error_response
from qwen_bridge.proxy.sockets import Sockets
from qwen_bridge.proxy.turn import Turn
from qwen_bridge.proxy.views import NOTE, QwenBridgeView, note, prune
from qwen_bridge.settings.settings import Settings

log = structlog.get_logger("qwen_bridge")

_TLS_OPTIONS = {"ssl_insecure", "ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir"}

CLIENT_BYTES_KEPT = 256 * 1024
"""Bytes kept of a client's request for the content view."""


class BridgeAddon:
    """Everything the bridge does inside mitmproxy, for `addons = [BridgeAddon()]`."""

    def __init__(self) -> None:
        self._declared = False
        self._turns: dict[str, Turn] = {}
        self._metrics = PrometheusMetrics(bridge_version())
        self._journal = Journal(time.time())
        self._sockets = Sockets()
        self._memory = Memory()
        self._bridge: Bridge | None = None
        self._desk: Desk | None = None
        self._learner: Learner | None = None
        self._retired: set[Bridge] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._ending = Ending(self._turns, self._close_all)

    # -- options ----------------------------------------------------------------------------------------------------

    def load(self, loader: Loader) -> None:
        configure()
        self._declared = declared(loader)
        contentviews.add(QwenBridgeView)

    def configure(self, updated: set[str]) -> None:
        # Inside a program nothing need be set for the bridge at all: the defaults are settings too.
        changed = self._desk is None or any(name.startswith(PREFIX) for name in updated) or updated & _TLS_OPTIONS
        if self._declared and changed:
            by_script = self._desk is None and self not in ctx.master.addons.chain
            settings = in_force(ctx.options, by_script=by_script)
            if settings is not None:
                self._rebuild(settings)
        self._stay_lazy()  # last: it sets an option itself, and comes here again

    @fail_closed
    def running(self) -> None:
        self._ending.take_over_signals()
        self._stand_before_the_built_in()
        unknown = sorted(name for name in ctx.options.deferred if name.startswith(PREFIX))
        if unknown:
            # mitmproxy forgives options nobody knows; a setting that silently does nothing is worse than a stop.
            log.error(f"no such setting: {', '.join(unknown)}")
        proxyserver = ctx.master.addons.get("proxyserver")
        self._sockets.keep_room(proxyserver)
        listening = [addr[0] for addr in proxyserver.listen_addrs()]
        if self._desk is not None and (advice := self._desk.network.advice(listening)):
            log.warning(advice)
        self._memory.settle()

    def done(self) -> None:
        self._memory.unsettle()
        for bridge in (self._bridge, *self._retired):
            if bridge is not None:
                self._close(bridge)

    # -- connections ------------------------------------------------------------------------------------------------

    @fail_closed
    def client_connected(self, client: Client) -> None:
        self._sockets.opened(ctx.master.addons.get("proxyserver").connections.values(), client)

    @fail_closed
    def client_disconnected(self, client: Client) -> None:
        self._sockets.closed(client)
        for turn in self._turns.values():
            if turn.client is client:
                turn.bridge.wake(turn.request_id)  # its stream cannot hear of it while it waits in a hook

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        try:
            self._next_layer(nextlayer)
        except exceptions.AddonHalt:
            raise
        except Exception:
            # Without our layer the request would be nobody's; a connection that stays silent is the safe failure.
            log.exception("no layer could be chosen; the connection is closed")
            nextlayer.layer = Refuse(nextlayer.context)

    @fail_closed
    def server_connect(self, data: ServerConnectionHookData) -> None:
        address = data.server.address
        if self._desk is None or not self._desk.guard.may_connect((data.server.sni, address[0] if address else None)):
            data.server.error = "qwen-bridge opens no connection to OpenAI"
        elif self._desk.network.leads_astray(data):
            data.server.error = "qwen-bridge takes other machines to no host"

    # -- requests ---------------------------------------------------------------------------------------------------

    @fail_closed
    def http_connect(self, flow: http.HTTPFlow) -> None:
        if self._desk is None or not self._desk.guard.is_openai(flow.request.host):
            self._refuse_passage(flow)

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if self._unclaimed(flow):
            flow.request.stream = False
        elif flow.id not in self._turns:
            self._refuse_passage(flow)
            if flow.response is None and self._learner is not None:
                self._learner.requestheaders(flow)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.id not in self._turns and self._learner is not None:
            self._learner.responseheaders(flow)

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        if flow.id in self._turns:
            note(flow, self._turns[flow.id].request_id, (flow.request.raw_content or b"")[:CLIENT_BYTES_KEPT])
        elif flow.response is None and self._unclaimed(flow):
            flow.response = error_response(
                InternalError("This request went past the bridge and was stopped. Please report it.")
            )

    # Our own two hooks. `fail_closed` would set a response; here a stream waits, and answers by itself if left alone.

    async def qwen_bridge_attempt(self, flow: http.HTTPFlow) -> None:
        """A stream waits for what comes next. Without an order it answers with an error."""
        with self._reported(flow) as turn:
            await turn.advance()

    async def qwen_bridge_remember(self, flow: http.HTTPFlow) -> None:
        """A stream waits for a memory effect. Without it the next turn sends its whole history, no more."""
        with self._reported(flow) as turn:
            await turn.remember()

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        if self._learner is not None:
            self._learner.response(flow)
        self._over(flow)

    @fail_closed
    def error(self, flow: http.HTTPFlow) -> None:
        if flow.id in self._turns:
            self._turns[flow.id].left()
        elif self._learner is not None:
            self._learner.error(flow)
        self._over(flow)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _next_layer(self, nextlayer: layer.NextLayer) -> None:
        context = nextlayer.context
        desk = self._desk
        if desk is None:
            raise RuntimeError("the bridge has not been configured")  # to wait would let the client hang
        ours = desk.guard.is_itself(context.client, context.server.address)
        if not ours and pass_by(nextlayer, desk.guard.tunnels, desk.network.may_pass):
            take_along(nextlayer, desk.guard)
            return
        ctx.master.addons.get("nextlayer").next_layer(nextlayer)
        for made in context.layers:
            if type(made) is HttpLayer:
                BridgeHttpLayer.take_over(made, self._present_desk)

    def _refuse_passage(self, flow: http.HTTPFlow) -> None:
        refusal = crash() if self._desk is None else self._desk.network.passage_refusal(flow.client_conn)
        if refusal is not None:
            log.warning("another machine wanted to be taken to another host", host=flow.request.host)
            flow.response = error_response(refusal)

    @contextlib.contextmanager
    def _reported(self, flow: http.HTTPFlow) -> Iterator[Turn]:
        turn = self._turns[flow.id]
        try:
            yield turn
        except Exception:
            # Whatever it was: the stream that waits finds no order, and answers with an error by itself.
            log.exception("a hook failed; nothing was forwarded", request_id=turn.request_id)

    def _unclaimed(self, flow: http.HTTPFlow) -> bool:
        """Whether a flow is ours and no stream of ours answers it. No guard, no passage."""
        return flow.id not in self._turns and (self._desk is None or self._desk.guard.must_not_pass(flow))

    def _over(self, flow: http.HTTPFlow) -> None:
        """The last hook of a flow: report the turn, and make room in the view."""
        self._memory.flow_over()
        turn = self._turns.pop(flow.id, None)
        if turn is not None:
            turn.over_for_good()
            facts = turn.facts(flow.response.status_code if flow.response else 0)
            count(facts, self._metrics)
            if not turn.paged:
                log.info("turn", **facts.line)
                self._journal.enter(facts, time.time())
            flow.metadata.get(NOTE, {}).update(route=facts.conversation, calls="\n".join(facts.call_lines))
        prune(ctx.options.qwen_view_limit)
        if self._retired:
            self._close_unused()

    def _stand_before_the_built_in(self) -> None:
        manager = ctx.master.addons
        built_in = manager.get("nextlayer")
        others = [addon for addon in manager.chain if addon is not self]
        if built_in in others and len(others) < len(manager.chain):
            others.insert(others.index(built_in), self)
            manager.chain = others  # a new list: the old one is being walked through

    def _stay_lazy(self) -> None:
        """An eager mitmproxy connects to OpenAI for its certificate before it has read the request."""
        if ctx.options.connection_strategy != "lazy":
            ctx.options.update(connection_strategy="lazy")

    def _rebuild(self, settings: Settings) -> None:
        for caution in cautions(settings):
            log.warning(caution)
        tls = _tls(ctx.options)
        bridge = Bridge.from_settings(settings, tls)
        bridge.meter(self._metrics)
        if self._bridge is not None:
            self._retired.add(self._bridge)
        self._bridge = bridge
        tick = min(1.0, settings.keepalive / 4, settings.first_byte_timeout / 4, settings.idle_timeout / 4)
        network = Network(settings, lambda: bool(ctx.options.proxyauth))
        self._learner = Learner(settings, network.may_pass, verified=tls is not False)
        control = Control(settings, self._metrics, self._journal, self._turns)
        border = (Guard(settings), Door.of(settings), network)
        self._ending.patience = settings.drain
        turn, unread = (lambda: Turn(bridge)), self._sockets.unread
        self._desk = Desk(*border, self._turns, turn, max(tick, 0.02), unread, control, self._ending.refusal)
        self._close_unused()

    def _present_desk(self) -> Desk:
        assert self._desk is not None
        return self._desk

    def _close_unused(self) -> None:
        """Close the bridges of former settings once no turn needs them."""
        for bridge in self._retired - {turn.bridge for turn in self._turns.values()}:
            self._retired.discard(bridge)
            self._close(bridge)

    async def _close_all(self) -> None:
        """Close every bridge, and wait for it."""
        last, self._bridge = self._bridge, None
        for bridge in (last, *self._retired):
            if bridge is not None:
                await bridge.aclose()
        self._retired.clear()

    def _close(self, bridge: Bridge) -> None:
        task = asyncio.get_running_loop().create_task(bridge.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _tls(options: Any) -> ssl.SSLContext | bool:
    """The trust that mitmproxy's own options give to upstream servers, for our calls beside the stream."""
    if options.ssl_insecure:
        return False
    files = (options.ssl_verify_upstream_trusted_ca, options.ssl_verify_upstream_trusted_confdir)
    try:
        return ssl.create_default_context(cafile=files[0], capath=files[1])
    except OSError as error:
        raise exceptions.OptionsError(f"{' and '.join(filter(None, files))} cannot be used as trust: {error}") from None
