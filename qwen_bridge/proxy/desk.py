"""The desk at which a request is taken: what the streams of one configuration share, and whose a request is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.context import Context

from qwen_bridge.errors import BridgeError
from qwen_bridge.proxy.control import Control
from qwen_bridge.proxy.door import Door, Visit, Visitor
from qwen_bridge.proxy.guard import Guard, crash
from qwen_bridge.proxy.network import Network
from qwen_bridge.proxy.rewrite import conceal, decoded
from qwen_bridge.proxy.turn import Turn

log = structlog.get_logger("qwen_bridge")


@dataclass(frozen=True)
class Desk:
    """What the streams of one configuration share. `turns` is the addon's: flow id → turn, while the flow lives."""

    guard: Guard
    door: Door
    network: Network
    turns: dict[str, Turn]
    new_turn: Callable[[], Turn]
    tick: float
    unread: Callable[[Client, float], float | None] = lambda _client, _now: None
    """See `Sockets.unread`."""
    control: Control | None = None
    closing: Callable[[], BridgeError | None] = lambda: None
    """Why no request is taken any more, if so."""

    def turn_for(self, context: Context, request: http.Request, *, tunnelled: bool = False) -> Turn | None:
        """A new turn for a request that is the bridge's to answer, None for any other; see `Guard.claims`."""
        visit = None
        try:
            if not self.guard.claims(context, request, tunnelled=tunnelled):
                return None
            visit = Visit(self.door, Visitor.of(context, request, own=self.guard.is_own(context, request)))
        except Exception:
            # Whose it is cannot be told, so it must not go anywhere: ours is the side that forwards nothing.
            log.exception("a request could not be judged and is not forwarded")
        turn = self.new_turn()
        turn.client, turn.visit, turn.control, turn.look = context.client, visit, self.control, self.tick
        try:
            if self.control is None or visit is None or self.control.asked(visit, request.path) is None:
                turn.objection = self.network.refusal(context.client, request) or self.closing()
                turn.objection = turn.objection or turn.bridge.object_to(request.method, dict(decoded(request.headers)))
            turn.headers = request.headers.copy()
            conceal(request, self.network.reads)
        except Exception:
            # It stays ours, so that it goes nowhere: refused, and with its headers gone, for they may hold its key.
            log.exception("a request could not be judged and is not served")
            turn.objection = crash()
            request.headers = http.Headers()
        return turn
