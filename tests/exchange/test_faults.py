"""The catalogue of faults, as a view of what stands elsewhere."""

from __future__ import annotations

from qwen_bridge.errors import ChallengeRequired, ChatBusy, QwenTimeout
from qwen_bridge.exchange.faults import CATALOGUE, WIRE, Row
from qwen_bridge.qwen.faults import FAULTS
from qwen_bridge.recovery.cooldown import RESTS
from qwen_bridge.recovery.policy import RULES


def test_every_refusal_has_its_row_in_order() -> None:
    """The registry of Qwen's refusals comes first, whole and in its order; no name is given twice."""
    assert [row.name for row in CATALOGUE[: len(FAULTS)]] == [fault.name for fault in FAULTS]
    assert CATALOGUE[len(FAULTS) :] == WIRE
    assert len({row.name for row in CATALOGUE}) == len(CATALOGUE)
    assert all(row.known for row in CATALOGUE)


def test_every_rule_is_some_rows() -> None:
    """What the policy knows, and what sessions rest after, can happen."""
    happen = {row.error for row in CATALOGUE}
    assert RULES.keys() <= happen
    assert set(RESTS) <= happen


def test_a_row_says_what_is_done() -> None:
    """Attempts, waits, the new chat and the rest are told in words and counted."""
    busy = Row("busy", "so", ChatBusy)
    assert busy.asks == 4
    assert busy.action() == "asks 2 more times, after 1, 2 s, then whole history to a new chat"
    assert Row("captcha", "so", ChallengeRequired).action() == "the session rests"
    assert (Row("late", "so", QwenTimeout).action(), Row("late", "so", QwenTimeout).asks) == ("–", 1)
