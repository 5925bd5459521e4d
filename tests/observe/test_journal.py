"""What has happened since the start, in short."""

from __future__ import annotations

from dataclasses import replace

from qwen_bridge.observe.journal import FAULTS_KEPT, TURNS_KEPT, Journal
from tests.observe.standing import NOW, journal
from tests.observe.test_turns import FACTS


def test_sums_and_the_ratio_of_hits() -> None:
    """A turn that has no answer behind it could not have been a hit, and does not count against them."""
    made = journal()
    assert made.courses == {"new": 1, "hit": 1, "miss": 1}
    assert made.hit_ratio == 0.5
    assert (made.sums.messages_saved, made.sums.bytes_saved) == (7, 4321)
    assert Journal(NOW).hit_ratio is None


def test_only_the_last_turns_are_kept() -> None:
    """However long the bridge runs."""
    made = Journal(NOW)
    for number in range(3 * TURNS_KEPT):
        made.enter(replace(FACTS, request_id=f"req_{number}"), NOW + number)
    assert len(made.turns) == TURNS_KEPT
    assert made.turns[-1][1].request_id == f"req_{3 * TURNS_KEPT - 1}"


def test_faults_are_counted_by_code_and_the_last_comes_first() -> None:
    """So many codes and no more; the one seen longest ago goes."""
    made = Journal(NOW)
    for number in range(FAULTS_KEPT + 3):
        made.enter(replace(FACTS, faults=((f"code_{number}", "retry"),)), NOW + number)
    made.enter(replace(FACTS, faults=(("code_5", "give_up"),)), NOW + 100)
    faults = made.faults
    assert len(faults) == FAULTS_KEPT
    assert (faults[0].code, faults[0].count, faults[0].action, faults[0].seen) == ("code_5", 2, "give_up", NOW + 100)
    assert "code_0" not in [fault.code for fault in faults]
