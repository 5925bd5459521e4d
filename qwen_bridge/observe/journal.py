"""What has happened since the start, in short: sums, the last turns, the last faults. Bounded, and without any text.

Counters (`metrics`) are for machines that ask often and remember; this is for a person who looks now.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from qwen_bridge.observe.turns import NO_CONVERSATION, TurnFacts

TURNS_KEPT = 30
FAULTS_KEPT = 12
"""Codes, not occurrences: the one seen longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as seen last: how often, when (seconds since 1970), and what was done about it then."""

    code: str
    count: int
    seen: float
    action: str


@dataclass(slots=True)
class Sums:
    """Sums over all turns: of messages and bytes not sent again, of bytes sent."""

    messages_saved: int = 0
    bytes_saved: int = 0
    bytes_up: int = 0


class Journal:
    """What a person may look up. `started` and every `now` are in seconds since 1970."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.turns: deque[tuple[float, TurnFacts]] = deque(maxlen=TURNS_KEPT)
        self.courses: Counter[str] = Counter()
        self.sums = Sums()
        self._faults: OrderedDict[str, Fault] = OrderedDict()

    def enter(self, facts: TurnFacts, now: float) -> None:
        """Note a turn that is over."""
        self.turns.append((now, facts))
        course = facts.course
        if course.kind != NO_CONVERSATION:
            self.courses[course.kind] += 1
        self.sums.messages_saved += course.messages
        self.sums.bytes_saved += course.size
        self.sums.bytes_up += facts.bytes_up
        for code, action in facts.faults:
            before = self._faults.pop(code, None)
            self._faults[code] = Fault(code, (before.count if before else 0) + 1, now, action)
        while len(self._faults) > FAULTS_KEPT:
            self._faults.popitem(last=False)

    @property
    def faults(self) -> list[Fault]:
        """The faults, the one seen last first."""
        return list(reversed(self._faults.values()))

    @property
    def hit_ratio(self) -> float | None:
        """Of the turns that had an answer behind them, the part that went on in a known chat; None without any."""
        known = self.courses["hit"] + self.courses["miss"] + self.courses["reset"]
        return self.courses["hit"] / known if known else None
