"""The sentences that the client reads about refusals."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from qwen_bridge.errors import BridgeError
from qwen_bridge.qwen import verdicts
from qwen_bridge.qwen.refusal import LONGEST_WAIT, Refusal

ALL = [value for _, value in inspect.getmembers(verdicts, inspect.isfunction) if value.__module__ == verdicts.__name__]


@pytest.mark.parametrize("verdict", ALL, ids=lambda verdict: str(verdict.__name__))
def test_every_verdict_is_a_sentence_with_qwens_words_behind_it(verdict: Callable[[Refusal], BridgeError]) -> None:
    """What it says stands before a quotation, and holds nothing of a page."""
    plain, quoted = verdict(Refusal(200)), verdict(Refusal(200, details="Something\nwrong"))
    assert plain.message.endswith((".", "after", "ask again."))
    assert quoted.message in (plain.message, f"{plain.message} Qwen's words: Something wrong")
    assert "<html" not in verdict(Refusal(200, details="<html>secret</html>", page=True)).message


def test_the_hours_of_a_quota_become_seconds() -> None:
    """The body's hours count before the header's seconds, and neither is believed beyond a day."""
    assert verdicts.quota(Refusal(200, hours=10.0, wait=5.0)).retry_after == 36_000
    assert verdicts.quota(Refusal(429, wait=5.0)).retry_after == 5
    assert verdicts.quota(Refusal(200, hours=1e300)).retry_after == LONGEST_WAIT
    assert "in about 10 h" in verdicts.quota(Refusal(200, hours=10.0)).message


def test_tokens_are_back_in_a_minute() -> None:
    """Unless Qwen says when."""
    assert verdicts.tokens(Refusal(200)).retry_after == verdicts.TOKENS_BACK
    assert verdicts.tokens(Refusal(200, wait=5.0)).retry_after == 5
