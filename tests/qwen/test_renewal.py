"""The words for a session that is renewed by hand, and for one that the browser renews."""

from __future__ import annotations

import pytest

from qwen_bridge.qwen import verdicts
from qwen_bridge.qwen.refusal import Refusal
from qwen_bridge.qwen.renewal import for_learning


@pytest.mark.parametrize("verdict", [verdicts.challenge, verdicts.quota, verdicts.signed_out])
def test_nobody_is_told_to_copy_what_is_learned(verdict: object) -> None:
    """The instruction changes, the rest of the sentence and Qwen's words stay."""
    assert callable(verdict)
    by_hand = verdict(Refusal(200, details="so says Qwen")).message
    told = for_learning(by_hand)
    assert "cookies" in by_hand
    assert "cookies" not in told
    assert "uses the bridge as its proxy" in told
    assert told.endswith("Qwen's words: so says Qwen") is by_hand.endswith("Qwen's words: so says Qwen")
    assert told.partition(".")[0] == by_hand.partition(".")[0]


def test_what_is_not_about_a_session_stays() -> None:
    """Every other message is told as it is."""
    assert for_learning("Qwen is busy.") == "Qwen is busy."
