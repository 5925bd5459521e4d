"""The catalogue of faults: everything that can go wrong between question and answer, one row each.

A view. What Qwen's words mean stands in `qwen.faults`, what is done about it in `recovery.policy` and
`recovery.cooldown`, what the client is told in `errors`. Here the rows of the wire and of the stream are added, where a
fault is known by what happens and not by what is said, and all are joined. `docs/faults.md` and the end-to-end test of
every row (`tests/e2e/test_faults.py`) are written from it.

What fails behind words of the answer is an error event, rejected content too. OpenAI would end that with
`finish_reason: content_filter`; but an answer with an end is taken for whole: Roo and Cline run what it holds (client
notes, 0.2), and its cut text would be remembered as the model's.
"""

from __future__ import annotations

from dataclasses import dataclass

from qwen_bridge.errors import (
    AnswerCutOff,
    AnswerUnreadable,
    BridgeError,
    ConnectionLost,
    EmptyAnswer,
    QwenTimeout,
    QwenUnreachable,
)
from qwen_bridge.qwen.faults import FAULTS
from qwen_bridge.qwen.refusal import Refusal
from qwen_bridge.recovery.cooldown import RESTS
from qwen_bridge.recovery.policy import RULES, Rule


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `known` says how it is recognised, in words; `error` is what it becomes."""

    name: str
    known: str
    error: type[BridgeError]

    @property
    def rule(self) -> Rule | None:
        """How it is tried again; None when the client is told at once."""
        return RULES.get(self.error)

    @property
    def rests(self) -> bool:
        """Whether the session is left in peace afterwards."""
        return self.error in RESTS

    @property
    def asks(self) -> int:
        """How often Qwen is asked when it fails each time, with attempts and patience enough."""
        return 1 if self.rule is None else 1 + self.rule.retries + self.rule.restart

    def action(self) -> str:
        """What the bridge does by itself, in words; `–` for nothing."""
        steps = []
        if self.rule is not None and self.rule.retries:
            waits = ", ".join(f"{self.rule.base * 2**number:g}" for number in range(self.rule.retries))
            steps.append(f"asks {self.rule.retries} more time{'s' * (self.rule.retries > 1)}, after {waits} s")
        if self.rule is not None and self.rule.restart:
            steps.append("whole history to a new chat")
        if self.rests:
            steps.append("the session rests")
        return ", then ".join(steps) or "–"


def _said() -> tuple[Row, ...]:
    # A status that is an error's, for the rows that repeat it in their sentence.
    return tuple(Row(fault.name, fault.known, type(fault.error(Refusal(502)))) for fault in FAULTS)


WIRE: tuple[Row, ...] = (
    Row("unreachable", "no connection, or a certificate that is not trusted", QwenUnreachable),
    Row("lost", "the connection ends after the request and before a status", ConnectionLost),
    Row("silent", "no status for `first_byte_timeout` seconds", QwenTimeout),
    Row("paused", "no byte for `idle_timeout` seconds within the answer", QwenTimeout),
    Row("endless", "no whole answer for `total_timeout` seconds", QwenTimeout),
    Row("cut", "the connection or the body ends before the answer has", AnswerCutOff),
    Row("stopped", "a `response.stopped` before the end: somebody has pressed Stop in the browser", AnswerCutOff),
    Row("no words", "a stream that ends well and holds no word", EmptyAnswer),
    Row("no event", "an event of the stream that is not JSON", AnswerUnreadable),
    Row("huge event", "an event of the stream that does not end", AnswerUnreadable),
    Row("compression", "an encoding that is unknown, damaged, or swells without end", AnswerUnreadable),
)
"""Faults that nobody says."""

CATALOGUE: tuple[Row, ...] = (*_said(), *WIRE)
"""Every row; the names are unique."""
