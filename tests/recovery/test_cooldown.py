"""Sessions that rest, and who may try whether they are well."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from qwen_bridge.errors import BridgeError, ChallengeRequired, QueueFull, QuotaExceeded, QwenRefused, TokensExhausted
from qwen_bridge.recovery.cooldown import PROBE, SOON, CoolDown

PAUSE = 900.0
HOUR = 3600.0


@dataclass
class Over:
    """A request that has ended."""

    request_id: str
    failures: list[BridgeError]
    outcome: str = "left"


def captcha() -> ChallengeRequired:
    return ChallengeRequired("Pass the check.")


def refused(book: CoolDown, ticket: str, now: float, session: str = "session") -> BridgeError | None:
    """What a ticket is told; None when it may ask Qwen."""
    try:
        book.check(session, ticket, now)
    except BridgeError as error:
        return error
    return None


def test_a_captcha_silences_the_session_for_a_while() -> None:
    """Everybody hears the same 403 with the time that is left, and what was a strike is not counted again."""
    book = CoolDown(PAUSE)
    assert refused(book, "a", 0.0) is None
    assert book.judge("session", Over("a", [captcha()]), 0.0).startswith("rests for 900 seconds (qwen_challenge)")
    error = refused(book, "b", 100.0)
    assert isinstance(error, ChallengeRequired)
    assert error.retry_after == 800.0
    assert error.resting
    assert "Pass the check." in error.message
    assert book.judge("session", Over("b", [error]), 100.0) == ""
    assert book.resting(100.0) == {"session": ("qwen_challenge", 800.0)}


def test_the_rest_is_told_before_it_begins() -> None:
    """What `foretell` says is what `struck` then does, and other faults, or no pause, foretell none."""
    book = CoolDown(PAUSE)
    for seconds in (PAUSE, 2 * PAUSE, 2 * PAUSE):
        assert book.foretell("session", captcha(), 0.0) == seconds
        book.struck("session", captcha(), 0.0)
        assert book.resting(0.0) == {"session": ("qwen_challenge", seconds)}
    assert book.foretell("session", QuotaExceeded("Used up.", retry_after=HOUR), 0.0) == HOUR
    assert book.foretell("session", QuotaExceeded("Used up."), 0.0) == PAUSE
    assert book.foretell("session", QwenRefused("No."), 0.0) is None
    assert CoolDown(0.0).foretell("session", captcha(), 0.0) is None


def test_after_the_rest_one_goes_first() -> None:
    """The others wait for its verdict, a minute at most; then the next may try."""
    book = CoolDown(PAUSE)
    book.struck("session", captcha(), 0.0)
    assert refused(book, "first", PAUSE) is None
    assert refused(book, "first", PAUSE + 1) is None, "its own second attempt"
    other = refused(book, "other", PAUSE + 1)
    assert other is not None
    assert other.retry_after == SOON
    assert refused(book, "other", PAUSE + PROBE) is None


def test_an_answer_ends_the_rest() -> None:
    """What the session can do is shown by an answer, and by nothing else."""
    book = CoolDown(PAUSE)
    book.struck("session", captcha(), 0.0)
    assert refused(book, "first", PAUSE) is None
    assert book.judge("session", Over("first", [], "complete"), PAUSE) == "is well again"
    assert book.judge("session", Over("second", [], "complete"), PAUSE) == ""
    assert refused(book, "other", PAUSE) is None
    assert book.resting(PAUSE) == {}


def test_a_trial_that_says_nothing_lets_the_next_try() -> None:
    """Its client left, or the network broke: that is no verdict."""
    book = CoolDown(PAUSE)
    book.struck("session", captcha(), 0.0)
    assert refused(book, "first", PAUSE) is None
    assert book.judge("session", Over("first", [QwenRefused("no")]), PAUSE + 1) == ""
    assert refused(book, "next", PAUSE + 1) is None


def test_the_second_captcha_in_a_row_counts_twice_and_no_more() -> None:
    """15 minutes, then 30 for ever, as people report."""
    book = CoolDown(PAUSE)
    lengths = [book.struck("session", captcha(), 0.0) for _ in range(3)]
    assert [length.split()[2] for length in lengths] == ["900", "1800", "1800"]


def test_a_quota_is_told_for_its_hours_and_tried_now_and_then() -> None:
    """An expired session gets the same words from Qwen, so the verdict is not believed for all of ten hours."""
    book = CoolDown(PAUSE)
    book.struck("session", QuotaExceeded("Used up.", retry_after=10 * HOUR), 0.0)
    told = refused(book, "a", 60.0)
    assert isinstance(told, QuotaExceeded)
    assert told.retry_after == 10 * HOUR - 60
    assert refused(book, "b", PAUSE) is None
    assert refused(book, "c", PAUSE) is not None
    book.judge("session", Over("b", [QuotaExceeded("Used up.", retry_after=9.75 * HOUR)]), PAUSE)
    again = refused(book, "c", PAUSE + PROBE)
    assert again is not None
    assert again.retry_after == 9.75 * HOUR - PROBE


def test_a_short_quota_is_over_when_it_is_over() -> None:
    """Hours that Qwen gives count from below too, and without any the pause counts."""
    book = CoolDown(PAUSE)
    book.struck("session", QuotaExceeded("Used up.", retry_after=30.0), 0.0)
    assert refused(book, "a", 29.0) is not None
    assert refused(book, "a", 30.0) is None
    book.struck("other", QuotaExceeded("Used up."), 0.0)
    assert refused(book, "a", PAUSE - 1, "other") is not None


def test_another_session_is_not_concerned() -> None:
    """New credentials, and other accounts, are asked with at once."""
    book = CoolDown(PAUSE)
    book.struck("session", captcha(), 0.0)
    assert refused(book, "a", 1.0, "new cookies") is None


@pytest.mark.parametrize("error", [QwenRefused("no"), QueueFull("full"), TokensExhausted("a minute's worth")])
def test_other_faults_are_no_reason_to_rest(error: BridgeError) -> None:
    """Only what asking makes worse, or cannot change."""
    book = CoolDown(PAUSE)
    assert book.struck("session", error, 0.0) == ""
    assert refused(book, "a", 0.0) is None


def test_nothing_rests_when_the_user_wants_none() -> None:
    """A pause of 0 switches it off."""
    book = CoolDown(0.0)
    assert book.struck("session", captcha(), 0.0) == ""
    assert refused(book, "a", 0.0) is None


def test_calls_that_nobody_waits_for_try_nothing() -> None:
    """The model list is not asked for while the session rests, and takes nobody's trial."""
    book = CoolDown(PAUSE)
    book.look("session", 0.0)
    book.struck("session", captcha(), 0.0)
    with pytest.raises(ChallengeRequired):
        book.look("session", 1.0)
    book.look("session", PAUSE)
    assert refused(book, "first", PAUSE) is None


def test_those_who_meet_one_captcha_are_one_strike() -> None:
    """Whoever was let through before the rest began hears of the same captcha, and of the same rest."""
    book = CoolDown(PAUSE)
    for ticket in "abc":
        assert refused(book, ticket, 0.0) is None
    assert book.judge("session", Over("a", [captcha()]), 1.0)
    for ticket in "bc":
        assert book.foretell("session", captcha(), 11.0, ticket) == PAUSE - 10
        assert book.judge("session", Over(ticket, [captcha()]), 11.0) == ""
    assert book.resting(11.0) == {"session": ("qwen_challenge", PAUSE - 10)}
    assert refused(book, "d", PAUSE + 1) is None
    assert book.foretell("session", captcha(), PAUSE + 2, "d") == 2 * PAUSE
    assert book.judge("session", Over("d", [captcha()]), PAUSE + 2).startswith("rests for 1800 seconds")


def test_an_answer_that_was_under_way_does_not_end_the_rest() -> None:
    """Qwen finishes what it had begun to write; it would not have taken another question."""
    book = CoolDown(PAUSE)
    assert refused(book, "long", 0.0) is None
    assert refused(book, "unlucky", 1.0) is None
    book.judge("session", Over("unlucky", [captcha()]), 2.0)
    assert book.judge("session", Over("long", [], "complete"), 3.0) == ""
    assert refused(book, "next", 4.0) is not None


def test_a_captcha_is_news_where_a_quota_is_known() -> None:
    """And a quota is none where a captcha is."""
    book = CoolDown(PAUSE)
    for ticket in "abc":
        assert refused(book, ticket, 0.0) is None
    assert book.judge("session", Over("a", [QuotaExceeded("Used up.", retry_after=HOUR)]), 1.0)
    assert book.judge("session", Over("b", [captcha()]), 2.0)
    assert book.judge("session", Over("c", [QuotaExceeded("Used up.", retry_after=HOUR)]), 3.0) == ""
    assert book.resting(2.0) == {"session": ("qwen_challenge", PAUSE)}


def test_a_second_attempt_is_asked_anew() -> None:
    """A trial whose first attempt met nothing may meet the captcha with its second: that is a strike."""
    book = CoolDown(PAUSE)
    book.struck("session", captcha(), 0.0)
    assert refused(book, "first", PAUSE) is None
    assert refused(book, "first", PAUSE + 1) is None
    assert book.judge("session", Over("first", [QwenRefused("no"), captcha()]), PAUSE + 2).split()[2] == "1800"
