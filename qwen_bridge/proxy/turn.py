"""One exchange as the proxy sees it: the client's call, the exchange, what is to be done next, what was sent.

The stream (which may not wait) and the addon (which may) meet here: the stream asks for the next step with a hook, the
addon leaves an order, the stream carries it out.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog
from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.commands import StartHook

from qwen_bridge.bridge.bridge import Bridge, Call
from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.effects import Again, Ask, Commit, Effect, Forget, Headers, Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.record import counters_of, lines_of
from qwen_bridge.exchange.replay import Replay
from qwen_bridge.exchange.reply import refusal
from qwen_bridge.observe.turns import GIVEN_UP, TurnFacts
from qwen_bridge.proxy.capture import Capture
from qwen_bridge.proxy.control import Control
from qwen_bridge.proxy.door import ANYBODY, Visit
from qwen_bridge.proxy.guard import crash
from qwen_bridge.proxy.rewrite import call_of

log = structlog.get_logger("qwen_bridge")

type Happening = Literal["responded", "feed", "finished", "lost", "failed", "tick", "go_on", "unread", "stalled"]
"""What can happen to an exchange: the methods of `Exchange`, or of `Replay`, that return effects."""

CHAT_POLL = 0.2
"""Seconds between two looks at whether a busy chat is free. Nothing can wake a stream from outside."""

type Order = Ask | Sequence[Effect]


@dataclass
class QwenBridgeAttemptHook(StartHook):
    """The stream waits for the addon to find out what comes next (`Turn.advance`)."""

    name = "qwen_bridge_attempt"
    flow: http.HTTPFlow


@dataclass
class QwenBridgeRememberHook(StartHook):
    """The stream waits for the addon to carry out a memory effect (`Turn.remember`)."""

    name = "qwen_bridge_remember"
    flow: http.HTTPFlow


class Turn:
    """One client request on its way through the proxy.

    `call` is set once the request is complete; `visit` is None for a request that could not be judged.
    """

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.request_id = bridge.request_id()
        self.client: Client | None = None
        self.visit: Visit | None = ANYBODY
        self.headers = http.Headers()
        """What the client sent, before its secrets were concealed in the flow."""
        self.control: Control | None = None
        self.objection: BridgeError | None = None
        """Why it will not be served, known before its body."""
        self.call: Call | None = None
        self.exchange: Exchange | None = None
        self.capture = Capture()
        self.look = 1.0
        """Seconds for which a stream waits in its hook: it has comments to send, and may have lost its client."""
        self._step: asyncio.Task[Order] | None = None
        self._ending: BridgeError | None = None
        self.effect: Commit | Forget | Stop | None = None
        self._order: Order | None = None
        self._told: BridgeError | None = None  # what was answered without an exchange
        self._gone = False
        self.paged = False
        """Whether a page of the bridge itself was asked for: nobody wants to read that in a log."""
        self._asks = self._bytes_up = 0
        self._began = bridge.now()
        self._first_word: float | None = None
        self._queued = 0.0
        self._queued_since: float | None = None

    def read(self, request: http.Request, limit: int) -> None:
        """Read the whole request, which may become `limit` bytes; what is wrong with it becomes the objection."""
        try:
            self.call = call_of(request, self.headers, limit)
        except BridgeError as error:
            self.objection = error

    async def advance(self) -> None:
        """Find out what comes next and leave it as the order: a question to Qwen, or effects for the client.

        What takes long, like a chat to open or a file to upload, goes on beside the hook; the order is to come again.
        """
        self._order = None
        if self._ending is not None:
            self._order = self.refuse(self._ending)
            return
        if self._step is None:
            self._step = asyncio.get_running_loop().create_task(self._next())
        # Who stands far back in the queue is woken when it is time, and asks for nothing until then.
        look = max(self.look, self.bridge.patience(self.request_id)) if self.queued else self.look
        done, _ = await asyncio.wait({self._step}, timeout=look)
        if done:
            step, self._step = self._step, None
            self._order = step.result()
        else:
            if self.exchange is not None:
                self.exchange.held()
            self._order = [Again(0.0)]

    def order(self) -> Order:
        """What `advance` left; without it, whatever the reason, an error for the client."""
        order, self._order = self._order, None
        return self.crashed() if order is None else order

    def happened(self, what: Happening, *args: Any) -> Sequence[Effect]:
        """Tell the exchange what happened, by the name of its method; a bug in it becomes an error for the client."""
        if self.exchange is None and what in ("tick", "unread"):
            return ()  # it is still being found out whether there is to be one
        if self._ending is not None:
            return self.refuse(self._ending)
        try:
            if what == "responded" and self.exchange is not None:
                self.bridge.heard(self.exchange, *args)
            effects: Sequence[Effect] = getattr(self.exchange, what)(*args)
        except Exception:
            # Raised further, mitmproxy would log it and leave the client waiting for ever.
            log.exception("an exchange failed", request_id=self.request_id)
            return self.crashed()
        if self._first_word is None and self.exchange is not None and self.exchange.worded:
            self._first_word = self.bridge.now()
        return effects

    def fed(self, data: bytes, *, stalled: bool) -> Sequence[Effect]:
        """Bytes of Qwen's answer came; `stalled`: its client takes nothing of it, and the rest piles up."""
        return self.happened("stalled") if stalled else self.happened("feed", data)

    def ticked(self, now: float, unread: Callable[[Client, float], float | None]) -> Sequence[Effect]:
        """Some time passed; `unread` tells whether the client is behind, see `Sockets.unread`."""
        behind = unread(self.client, now) if self.client is not None else None
        told = self.happened("unread", behind) if behind is not None else ()
        return told or self.happened("tick", now)

    def sent(self) -> None:
        """The question is on its way to Qwen."""
        if self.exchange is not None:
            self.exchange.sent()

    async def remember(self) -> None:
        """Carry out the effect that the stream has left here."""
        effect, self.effect = self.effect, None
        if isinstance(effect, Stop) and self.exchange is not None:
            await self.bridge.stop(self.exchange, effect)
        elif isinstance(effect, Commit | Forget):
            await self.bridge.remember(effect)

    def crashed(self) -> Sequence[Effect]:
        """Effects that end the answer, however far it got."""
        return self.refuse(crash())

    def refuse(self, error: BridgeError, fields: Headers = ()) -> Sequence[Effect]:
        """Effects that tell the client no, in the form that is still possible; `fields` go into a head of its own."""
        self._told = error
        if self.exchange is None:
            return refusal(error, (("x-request-id", self.request_id), *fields))
        return self.exchange.refuse(error)

    def permission(self) -> Headers:
        """What the head of the answer says besides, to a web page that may read it."""
        return self.visit.permission(self.call.headers) if self.visit is not None and self.call is not None else ()

    @property
    def queued(self) -> bool:
        """Whether it stands in the queue."""
        return self.exchange is not None and self.exchange.standing.startswith("queued")

    @property
    def waits(self) -> bool:
        """Whether nothing has been asked for it yet."""
        return self.exchange is None or self.queued

    def end(self, error: BridgeError) -> None:
        """Tell the client `error`, in whatever form it can still take, with the next thing that happens."""
        self._ending = error
        self.bridge.wake(self.request_id)

    def left(self) -> None:
        """The client has gone."""
        self._gone = True
        if self.exchange is not None:
            self.exchange.left()

    def over_for_good(self) -> None:
        """The flow has had its last hook: what was taken for it is given back."""
        if self._step is not None:
            self._step.cancel()
        if self.exchange is not None:
            self.bridge.release(self.exchange)

    def facts(self, status: int) -> TurnFacts:
        """What log, counters and status page say of the turn, now that it is over; `status` is what the client got."""
        exchange, now = self.exchange, self.bridge.now()
        facts = TurnFacts(
            request_id=self.request_id,
            route="own_page" if self.paged else self.call.kind if self.call is not None else "unknown",
            status=status,
            outcome=self._told.code if self._told else "left" if self._gone else "answered",
            faults=((self._told.code, GIVEN_UP),) if self._told else (),
            left=self._gone,
            duration=now - self._began,
        )
        if exchange is None:
            return facts
        decided = zip(exchange.trials.failures, exchange.trials.decisions, strict=True)
        told = [error.code for error in (exchange.told, self._told) if error and error not in exchange.failures]
        return replace(
            facts,
            outcome=exchange.outcome,
            conversation=exchange.question.route,
            cache=exchange.cache,
            model=exchange.question.scope.model,
            listed=self.bridge.lists(exchange.question.scope.model),
            faults=(
                *((fault.code, _action(decision)) for fault, decision in decided),
                *((code, GIVEN_UP) for code in dict.fromkeys(told)),
            ),
            asks=self._asks,
            bytes_up=self._bytes_up,
            first_word=self._first_word - self._began if self._first_word is not None else None,
            queued=self._queued + (now - self._queued_since if self._queued_since is not None else 0.0),
            calls=counters_of(exchange),
            call_lines=lines_of(exchange),
            asked_again=exchange.repeated.value if exchange.repeated is not None else "",
        )

    async def _next(self) -> Order:
        if self.exchange is None:
            if self.call is None or self.visit is None:
                return self.crashed()
            try:
                self.visit.check()
                page = await self.control.answer(self.call, self.visit, self.bridge) if self.control else None
                if page is not None:
                    self.paged = True
                    return page
                opened = await self.bridge.open(self.call, self.request_id)
            except BridgeError as error:
                return self.refuse(error)
            if not isinstance(opened, Exchange):
                return opened
            self.exchange = opened
        if isinstance(self.exchange, Replay):
            return self.happened("go_on")
        try:
            if not await self._admitted(self.exchange):
                return [Again(0.0)]
            ask = await self.bridge.ask(self.exchange)
        except BridgeError as error:
            return self.exchange.failed(error)
        if ask is None:
            return [Again(CHAT_POLL)]
        self._asks += 1
        self._bytes_up += len(ask.body)
        return ask

    async def _admitted(self, exchange: Exchange) -> bool:
        """Whether the account has room; the time until then is the time in the queue."""
        if self._queued_since is None:
            self._queued_since = self.bridge.now()
        admitted = await self.bridge.admit(exchange)
        if admitted:
            self._queued += self.bridge.now() - self._queued_since
            self._queued_since = None
        return admitted


def _action(decision: object) -> str:
    """`GiveUp` → `give_up`: what was done about a fault, for log and counters."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(decision).__name__).lower()
