"""Who may ask now, and who waits: the part of `bridge` that lets requests go on.

The rules are those of `recovery.pacing`; here a request waits for them. It waits inside mitmproxy's hook, is woken the
moment its turn comes or its client leaves, and otherwise returns to its stream after a while, which has comments to
send and a flow that may have been killed: after a second near the head of the queue, more seldom far behind. A thousand
requests that looked up once a second left mitmproxy on one core no time to answer any of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from qwen_bridge.errors import QueueTimeout
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.ports import Clock
from qwen_bridge.recovery.pacing import Pace, Pacer

log = structlog.get_logger("qwen_bridge")

LOOK = 1.0
"""Seconds for which a request waits before its stream may look up, at the head of the queue."""

FURTHER = 20.0
"""Requests before it for which one waits a second longer."""


class Admission:
    """Slots, places and moments for the exchanges of one bridge. Whoever came must be released.

    `timeout` is the longest wait for a turn and `longest` that between two looks, in seconds. An exchange's ticket is
    its `request_id`.
    """

    def __init__(self, pace: Pace, timeout: float, clock: Clock, longest: float = 5.0) -> None:
        self._pacer = Pacer(pace)
        self._longest = longest
        self._timeout = timeout
        self._clock = clock
        self._lanes: dict[str, Sequence[str]] = {}
        self._waiting: dict[str, asyncio.Event] = {}

    def announce(self, exchange: Exchange, lane: Sequence[str]) -> None:
        """Say where the exchange will stand in the queue, from the outermost round inwards."""
        self._lanes[exchange.request_id] = lane

    async def admit(self, exchange: Exchange) -> bool:
        """Whether the exchange may ask Qwen now; if not, it has waited for a moment and is to be asked again.

        Raises `QueueFull` when there is no place for it, `QueueTimeout` when it has waited too long.
        """
        ticket, pacer = exchange.request_id, self._pacer
        now = self._clock.monotonic()
        displaced = pacer.enter(exchange.question.scope.account, ticket, now, self._lanes.get(ticket, ()))
        if displaced is not None:
            self.wake(displaced)
        if not pacer.may_go(ticket):
            self._place(exchange)
            await self._wait(ticket, min(self.patience(ticket), max(0.0, self._timeout - pacer.waited(ticket, now))))
            exchange.held()
            pacer.enter(exchange.question.scope.account, ticket, now)  # it may have lost its place meanwhile
        if pacer.may_go(ticket):
            self._served(exchange)
            return True
        if pacer.waited(ticket, self._clock.monotonic()) > self._timeout:
            raise QueueTimeout(
                f"The Qwen account was busy for {self._timeout:g} seconds. Try again, or use fewer clients at once.",
                retry_after=pacer.advice(ticket),
            )
        return False

    def patience(self, ticket: str) -> float:
        """Seconds for which a request may be left alone where it stands."""
        return min(self._longest, LOOK + self._pacer.ahead(ticket) / FURTHER)

    async def pause(self, exchange: Exchange) -> bool:
        """Wait until the account bears another question; false when that is still to be asked again."""
        pause = self._pacer.pause(exchange.request_id, self._clock.monotonic())
        if pause <= 0:
            return True
        await self._wait(exchange.request_id, min(LOOK, pause))
        exchange.held()
        return pause <= LOOK and self._pacer.pause(exchange.request_id, self._clock.monotonic()) <= 0

    def hold(self, exchange: Exchange) -> None:
        """The exchange's answer runs in its chat from now on."""
        self._pacer.hold(exchange.question.chat_id, exchange.request_id)

    def busy(self, exchange: Exchange) -> frozenset[str]:
        """The chats in which answers of others run."""
        return self._pacer.busy(exchange.request_id)

    def load(self, account: str) -> tuple[int, int]:
        """How many requests are let through to the account, and how many wait for it."""
        return self._pacer.load(account)

    def wake(self, ticket: str) -> None:
        """Let a waiting request look up at once: its turn has come, its client has left, or the bridge ends."""
        if ticket in self._waiting:
            self._waiting[ticket].set()

    def release(self, exchange: Exchange) -> None:
        """Give back what was taken for the exchange; whose turn comes through it is woken. Idempotent."""
        self._lanes.pop(exchange.request_id, None)
        for ticket in self._pacer.leave(exchange.request_id, self._clock.monotonic()):
            self.wake(ticket)

    async def _wait(self, ticket: str, seconds: float) -> None:
        woken = self._waiting[ticket] = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            del self._waiting[ticket]

    def _place(self, exchange: Exchange) -> None:
        """Tell log and client how many go before."""
        ahead = self._pacer.ahead(exchange.request_id)
        if not exchange.standing:
            log.info("a request waits for its turn", request_id=exchange.request_id, ahead=ahead)
        exchange.standing = f"queued ahead={ahead}"

    def _served(self, exchange: Exchange) -> None:
        if exchange.standing.startswith("queued"):
            waited = self._pacer.waited(exchange.request_id, self._clock.monotonic())
            exchange.standing = f"served waited={waited:.1f}"
