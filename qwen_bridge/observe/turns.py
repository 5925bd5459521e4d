"""What is said of a turn once it is over: one set of facts for the log line, the counters and the status page.

The words on the conversation are those of the header `x-qwen-bridge-conversation`; kind, reason and savings are read
from these very words, so that header, log and counters cannot disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qwen_bridge.ports import Metrics

NO_CONVERSATION = "none"
"""The conversation of a request that asks no model."""

GIVEN_UP = "give_up"
"""What was done about a fault that the client was told; everything else was another attempt."""

FROM_MEMORY = "hit"
"""The word of `x-qwen-bridge-cache` for an answer that Qwen was not asked for."""

_WORDS = re.compile(r"(?P<kind>hit|miss|new|reset)\b(?: depth=(?P<depth>\d+)/\d+)?(?:.*? reason=(?P<reason>\w+))?")
_ASIDE = re.compile(r"\b(edited)@\d+|\b(broken_off)\b")
_SAVED = re.compile(r"\bsaved=(\d+)")


@dataclass(frozen=True, slots=True)
class Course:
    """Where a conversation went. `kind` is hit, miss, new, reset or none; `messages` and `size` are what was saved."""

    kind: str
    reason: str
    messages: int
    size: int

    @classmethod
    def of(cls, words: str) -> Course:
        """Read the words of the header; what is none of them is `none`."""
        found = _WORDS.match(words)
        if found is None:
            return cls(NO_CONVERSATION, "", 0, 0)
        saved = _SAVED.search(words)
        aside = _ASIDE.search(words)
        reason = found["reason"] or (aside[aside.lastindex or 0] if aside else "")
        return cls(found["kind"], reason, int(found["depth"] or 0), int(saved[1]) if saved else 0)


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """One request and its answer, without a word of either.

    `route` is what was asked for, `outcome` how it ended: `complete`, `answered` (no model was asked), `left` (the
    client went) or the code of the error it was told. `conversation` are the header's words; `cache` is `hit` for an
    answer from memory, `miss` for one that could have been. `faults` pairs each code with what was done. Times are in
    seconds; `first_word` is None when none was shown. `calls` as `toolcalls.report.Report.counters` gives it;
    `call_lines` say of each call its dialect, its repairs and what became of it; `asked_again` is why the bridge asked
    for the answer once more. `model` is Qwen's, "" when none was asked; `listed` whether some list names it, so that it
    is no word of the client's.
    """

    request_id: str
    route: str
    status: int
    outcome: str
    conversation: str = NO_CONVERSATION
    cache: str = ""
    model: str = ""
    listed: bool = False
    faults: tuple[tuple[str, str], ...] = ()
    asks: int = 0
    bytes_up: int = 0
    left: bool = False
    duration: float = 0.0
    first_word: float | None = None
    queued: float = 0.0
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)
    call_lines: tuple[str, ...] = ()
    asked_again: str = ""

    @property
    def course(self) -> Course:
        return Course.of(self.conversation)

    @property
    def line(self) -> dict[str, Any]:
        """What the log says of the turn; what does not apply is left out."""
        said: dict[str, Any] = {
            "request_id": self.request_id,
            "route": self.route,
            "conversation": self.conversation,
            "cache": self.cache,
            "model": self.model,
            "outcome": self.outcome,
            "status": self.status,
            "faults": ",".join(f"{code}:{action}" for code, action in self.faults),
            "asks": self.asks,
            "bytes_up": self.bytes_up,
            "queued": round(self.queued, 3),
            "first_word": round(self.first_word, 3) if self.first_word is not None else None,
            "seconds": round(self.duration, 3),
            "tool_calls": ",".join(f"{value}={n}" for (kind, value), n in self.calls.items() if kind == "verdict"),
            "calls": " | ".join(self.call_lines),
            "asked_again": self.asked_again,
            "left": self.left,
        }
        always = ("request_id", "route", "conversation", "outcome", "status", "seconds")
        return {name: value for name, value in said.items() if value or name in always}


_CALL_COUNTERS = {
    "verdict": "tool_calls",
    "dialect": "tool_call_dialects",
    "repair": "tool_call_repairs",
    "reason": "tool_call_reasons",
}


def count(facts: TurnFacts, metrics: Metrics) -> None:
    """Add a turn to the counters."""
    metrics.count("requests", route=facts.route, status=str(facts.status), outcome=facts.outcome)
    for code, action in facts.faults:
        metrics.count("faults", code=code, action=action)
    if facts.left:
        metrics.count("client_disconnects")
    if facts.cache:
        metrics.count("cache", cache=facts.cache)
    if facts.cache == FROM_MEMORY:
        return  # no chat was begun for it, and its time is that of a replay
    metrics.observe("turn_seconds", facts.duration)
    course = facts.course
    if course.kind == NO_CONVERSATION:
        return
    metrics.count("turns", conversation=course.kind, reason=course.reason)
    metrics.count("turns_by_model", model=facts.model if facts.listed else "other")
    metrics.count("messages_saved", course.messages)
    metrics.count("bytes_saved", course.size)
    metrics.count("asks", facts.asks)
    metrics.count("bytes_up", facts.bytes_up)
    metrics.observe("queue_wait_seconds", facts.queued)
    if facts.asked_again:
        metrics.count("asked_again", cause=facts.asked_again)
    if facts.first_word is not None:
        metrics.observe("first_word_seconds", facts.first_word)
    for (kind, value), number in facts.calls.items():
        metrics.count(_CALL_COUNTERS[kind], number, **{kind: value})
