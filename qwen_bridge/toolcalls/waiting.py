"""Calls that wait for the end of the answer, and what makes them doubtful while they do.

A closer that nothing opened may be the real end of a call before it. Which calls a word can concern is noted when they
come, so that a closer costs what it changes: a call is doubted once, however many closers follow.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.policy import Decision, Reason, Verdict
from qwen_bridge.toolcalls.reading import SETTLED, Call
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, PARAMETERS, WRAPPERS

_BREAKING = WRAPPERS | CALLS | ARGUMENTS | {"parameter"}
"""Closers that may be the end of any call."""

_UNCLEAR = Decision(Verdict.WITHHELD, Reason.UNCLEAR)


@dataclass(slots=True)
class Judged:
    """A call, what was decided on it, and the dialect it came in.

    `within` says that an opener stands before it that nothing closed: a broken call may quote it.
    """

    call: Call
    decision: Decision
    dialect: str
    within: bool = False

    @property
    def released(self) -> bool:
        return self.decision.verdict is Verdict.RELEASED

    @property
    def patient(self) -> bool:
        """Whether it waits for the end of the answer."""
        if not self.released or self.call.tool is None or not self.call.tool.harmless:
            return True
        return self.within or Flaw.VALUE_UNCLOSED in self.call.flaws

    @property
    def loose(self) -> bool:
        """Whether its structure has a flaw that later text may explain."""
        return bool(self.call.flaws - SETTLED)


class Waiting:
    """The queue, in the order in which the calls were written."""

    __slots__ = (
        "_closing", "_first_withheld", "_foreign", "_loose", "_named", "_named_loose", "_next", "_parameters", "_queue",
        "_released", "_unclosed", "_within",
    )  # fmt: skip

    def __init__(self, catalogue: Catalogue) -> None:
        self._parameters = frozenset(key for tool in catalogue.tools.values() for key in tool.properties) | PARAMETERS
        self._foreign = self._parameters | catalogue.tools.keys()
        self._closing = self._foreign | CALLS | ARGUMENTS
        self._queue: deque[Judged] = deque()
        self._next = 0  # the number of the next call
        self._first_withheld: int | None = None
        self._released: list[tuple[int, Judged]] = []  # calls that may become doubtful, with their numbers
        self._loose: list[tuple[int, Judged]] = []  # those of them whose structure has a flaw
        self._unclosed: list[tuple[int, Judged]] = []  # those whose last value has no closer
        self._within: list[tuple[int, Judged]] = []
        self._named: dict[str, list[tuple[int, Judged]]] = defaultdict(list)  # by the words that close each
        self._named_loose: dict[str, list[tuple[int, Judged]]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, judged: Judged) -> None:
        """One more call."""
        number, self._next = self._next, self._next + 1
        self._queue.append(judged)
        if not judged.released:
            self._first_withheld = number if self._first_withheld is None else self._first_withheld
        elif judged.patient or len(self._queue) > 1:
            self._note(number, judged)

    def _note(self, number: int, judged: Judged) -> None:
        one = (number, judged)
        self._released.append(one)
        for word in (judged.call.name, *judged.call.arguments):
            self._named[word].append(one)
            if judged.loose:
                self._named_loose[word].append(one)
        if judged.loose:
            self._loose.append(one)
        if Flaw.VALUE_UNCLOSED in judged.call.flaws:
            self._unclosed.append(one)
        if judged.within:
            self._within.append(one)

    def take_ready(self) -> list[Judged]:
        """The calls at the front that need not wait."""
        ready: list[Judged] = []
        while self._queue and not self._queue[0].patient:
            ready.append(self._queue.popleft())
        return ready

    def take_all(self) -> list[Judged]:
        """All that waited: the answer is over."""
        everything = list(self._queue)
        self._queue.clear()
        return everything

    def doubt(self, dangling: frozenset[str], *, flawed: bool = False) -> bool:
        """Closers came that nothing opened: a call that waits, and that one of them may close, is not clear.

        Behind a call that was withheld, a call may be a part of its body: then closers of any tool count. `flawed` is
        for closers that stood directly behind a call: those of parameters matter where a call before lacked its own.
        True if a call became unclear by this: what comes next may be a part of it.
        """
        changed = not dangling.isdisjoint(self._closing) and self._withhold(self._within)
        if flawed:
            dangling &= self._parameters
        named, every = (self._named_loose, self._loose) if flawed else (self._named, self._released)
        if not dangling.isdisjoint(_BREAKING):
            changed = self._withhold(every) or changed
        for word in dangling & named.keys():
            changed = self._withhold(named.pop(word)) or changed
        if self._first_withheld is not None and not dangling.isdisjoint(self._foreign):
            behind: list[tuple[int, Judged]] = []
            while self._released and self._released[-1][0] > self._first_withheld:
                behind.append(self._released.pop())
            changed = self._withhold(behind) or changed
        return changed

    def doubt_unclosed(self) -> None:
        """Text goes on behind a call whose last value was not closed: it may be that value's."""
        self._withhold(self._unclosed)

    def _withhold(self, ones: list[tuple[int, Judged]]) -> bool:
        """Make what is still released of these unclear, and empty the list."""
        changed = False
        for number, judged in ones:
            if judged.released:
                judged.decision = _UNCLEAR
                first = self._first_withheld
                self._first_withheld = number if first is None else min(number, first)
                changed = True
        ones.clear()
        return changed
