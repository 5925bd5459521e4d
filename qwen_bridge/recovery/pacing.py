"""Who may ask Qwen now: so many answers per account at once and not too soon after one another, one answer per chat.

People who run several clients on one account report that two answers at a time are borne, that more are refused or
punished, and that three to four seconds between questions keep an account unpunished (protocol notes, section 6). So
the third client waits here rather than be told no there, in a queue that takes turns (`fairness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qwen_bridge.errors import QueueFull
from qwen_bridge.recovery.fairness import FairQueue

FIRST_GUESS = 10.0
"""Seconds that an answer is taken to last before one has been seen to its end."""

LONGEST_ADVICE = 120.0
"""Seconds after which a client is told to come back at the latest."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What one account bears.

    `streams` answers at once, 0 for no limit; `spacing` seconds at least from one question to the next; `room` tickets
    that may wait.
    """

    streams: int
    spacing: float
    room: int


@dataclass(slots=True)
class _Account:
    running: dict[str, float] = field(default_factory=dict)  # ticket → since when
    waiting: FairQueue = field(default_factory=FairQueue)
    asked: float = float("-inf")  # when the last question was due that was put
    next_question: float = float("-inf")
    lasts: float = FIRST_GUESS  # an answer, about


class Pacer:
    """Slots per account, and one queue in front of each. A ticket is any name that its holder chose.

    Every `now` is in seconds on a clock that never jumps. Every ticket that entered must leave, whether it was ever let
    through or not.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._accounts: dict[str, _Account] = {}
        self._account_of: dict[str, str] = {}
        self._queued: dict[str, tuple[float, float]] = {}  # ticket → from when to when it stands in the queue
        self._displaced: set[str] = set()  # those who have lost their place, until they leave
        self._booked: dict[str, float] = {}  # ticket → when it may put its next question
        self._holder_of: dict[str, str] = {}  # chat → the ticket whose answer runs there

    def enter(self, account: str, ticket: str, now: float, lane: Sequence[str] = ()) -> str | None:
        """Take a slot or a place in the queue; a ticket that has entered already keeps what it has.

        `lane` is where it stands there, see `FairQueue.push`. Where the queue is full, a lane with fewer tickets takes
        a place from the one with most; the ticket that had it is returned, and has to come and hear it. Raises
        `QueueFull` for a ticket that gets no place, or has lost it.
        """
        if ticket in self._account_of:
            return None
        state = self._accounts.setdefault(account, _Account())
        displaced = None
        if self._pace.streams == 0 or len(state.running) < self._pace.streams:
            state.running[ticket] = now
        elif ticket not in self._displaced and (
            len(state.waiting) < self._pace.room or (displaced := state.waiting.displaced_by(lane))
        ):
            state.waiting.push(ticket, lane)
            self._queued[ticket] = (now, float("inf"))
        else:
            raise QueueFull(
                f"{len(state.waiting)} requests are waiting for this Qwen account already. Try again in a while, or "
                "use fewer clients at once.",
                retry_after=self._advice(state),
            )
        self._account_of[ticket] = account
        if displaced is not None:
            del self._account_of[displaced]
            self._displaced.add(displaced)
        return displaced

    def load(self, account: str) -> tuple[int, int]:
        """How many answers run on the account, and how many tickets wait for it."""
        state = self._accounts.get(account)
        return (len(state.running), len(state.waiting)) if state is not None else (0, 0)

    def may_go(self, ticket: str) -> bool:
        """Whether the ticket has a slot."""
        state = self._state(ticket)
        return state is not None and ticket in state.running

    def waited(self, ticket: str, now: float) -> float:
        """Seconds for which the ticket has stood in the queue, or had to; 0 for one that never did."""
        since, until = self._queued.get(ticket, (now, now))
        return min(now, until) - since

    def ahead(self, ticket: str) -> int:
        """How many are served before this ticket; 0 for one that does not wait."""
        state = self._state(ticket)
        return state.waiting.ahead(ticket) if state is not None and ticket in state.waiting else 0

    def advice(self, ticket: str) -> float:
        """Seconds after which it may be worth coming again, for a ticket that gives up its place."""
        state = self._state(ticket)
        return FIRST_GUESS if state is None else self._advice(state)

    def pause(self, ticket: str, now: float) -> float:
        """Seconds until the ticket, which has a slot, may put its next question; 0 once it may, which uses it up.

        The moment is booked with the first call, so that nobody who comes later goes before.
        """
        state = self._state(ticket)
        if state is None or not self._pace.spacing:
            return 0.0
        if ticket not in self._booked:
            self._booked[ticket] = max(now, state.next_question)
            state.next_question = self._booked[ticket] + self._pace.spacing
        pause = self._booked[ticket] - now
        if pause > 0:
            return pause
        state.asked = max(state.asked, self._booked.pop(ticket))
        return 0.0

    def hold(self, chat_id: str, ticket: str) -> None:
        """The ticket's answer runs in this chat from now on, and in no other."""
        self._let_go(ticket)
        self._holder_of[chat_id] = ticket

    def busy(self, ticket: str) -> frozenset[str]:
        """The chats in which answers of other tickets run: Qwen would refuse a second one."""
        return frozenset(chat for chat, holder in self._holder_of.items() if holder != ticket)

    def leave(self, ticket: str, now: float) -> Sequence[str]:
        """Give back slot or place, and the chat. Returns the tickets that have a slot through it. Idempotent."""
        self._let_go(ticket)
        self._queued.pop(ticket, None)
        self._unbook(ticket)
        self._displaced.discard(ticket)
        name = self._account_of.pop(ticket, None)
        if name is None:
            return ()
        state = self._accounts[name]
        following: list[str] = []
        state.waiting.remove(ticket)
        if ticket in state.running:
            state.lasts += (now - state.running.pop(ticket) - state.lasts) / 4.0
        while len(state.waiting) and len(state.running) < self._pace.streams:
            promoted = state.waiting.pop()
            state.running[promoted] = now
            self._queued[promoted] = (self._queued[promoted][0], now)
            following.append(promoted)
        return following

    def _state(self, ticket: str) -> _Account | None:
        return self._accounts.get(self._account_of.get(ticket, ""))

    def _unbook(self, ticket: str) -> None:
        """Give a moment back that was booked for nothing: many who leave would keep all who come later waiting."""
        if self._booked.pop(ticket, None) is not None:
            name = self._account_of[ticket]
            due = [at for other, at in self._booked.items() if self._account_of.get(other) == name]
            state = self._accounts[name]
            state.next_question = max(state.asked, *due, float("-inf")) + self._pace.spacing

    def _advice(self, state: _Account) -> float:
        rounds = (len(state.waiting) + 1) / max(1, self._pace.streams)
        return min(max(1.0, rounds * max(state.lasts, self._pace.spacing)), LONGEST_ADVICE)

    def _let_go(self, ticket: str) -> None:
        for chat in [chat for chat, holder in self._holder_of.items() if holder == ticket]:
            del self._holder_of[chat]
