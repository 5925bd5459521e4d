"""The facts of a refusal, from every shape that Qwen has for one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.qwen.refusal import LONGEST_WAIT, Refusal, read_answer, read_frame

JSON = [("Content-Type", "application/json")]


def answer(body: object, *headers: tuple[str, str], status: int = 200) -> Refusal:
    """The facts of a JSON answer."""
    return read_answer(status, [*JSON, *headers], orjson.dumps(body))


@pytest.mark.parametrize(
    "body",
    [
        {"success": False, "data": {"code": "Rate_Limited", "details": "no", "num": 4}},
        {"code": "RateLimited", "detail": "no", "num": 4},
        {"error": {"code": "rate-limited", "message": "no", "num": 4}},
        {"data": {"code": "Rate Limited"}, "msg": "no", "num": 4},
    ],
)
def test_every_age_of_the_envelope_is_read(body: dict[str, Any]) -> None:
    """Code, words and hours are found nested, flat, or under `error`; spellings of the code meet."""
    refusal = answer(body)
    assert (refusal.code, refusal.details, refusal.hours) == ("ratelimited", "no", 4.0)


def test_a_list_of_details_is_joined() -> None:
    """Validation errors come as a list."""
    assert answer({"data": {"details": ["a", 1, "b"]}}).details == "a; b"


def test_the_real_status_stands_in_a_header() -> None:
    """`x-actual-status-code` overrules the status line, unless it is no status."""
    assert answer({}, ("X-Actual-Status-Code", "404")).status == 404
    assert answer({}, ("x-actual-status-code", "soon"), status=500).status == 500


@pytest.mark.parametrize(("num", "hours"), [(2, 2.0), (0.5, 0.5), (0, None), (-1, None), (True, None), ("4", None)])
def test_hours_are_a_positive_number(num: object, hours: float | None) -> None:
    """Anything else is no waiting time."""
    assert answer({"data": {"num": num}}).hours == hours


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        ("0", 0.0),
        ("999999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("-5", None),
        ("1e3", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("Wed, 1 Jan", None),
        ("Tue, 24 Nov 2026 12:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 11:59:00 GMT", None),
        ("Tue, 24 Nov 2099 12:00:00 GMT", LONGEST_WAIT),
        ("Tue, 24 Nov 2026 12:01:30", None),
    ],
)
def test_retry_after_is_a_number_or_a_time_and_never_absurd(value: str, wait: float | None) -> None:
    """A time is measured from the answer's own date; what lies behind, or is neither, is no wait; a day is the most."""
    assert answer({}, ("Retry-After", value), ("Date", "Tue, 24 Nov 2026 12:00:00 GMT")).wait == wait


def test_a_time_without_a_date_to_measure_from_is_no_wait() -> None:
    """The bridge's own clock is not asked."""
    assert answer({}, ("Retry-After", "Tue, 24 Nov 2026 12:01:30 GMT")).wait is None


def test_a_page_is_known_by_its_type_or_its_first_letter() -> None:
    """HTML is a page with or without a content type that says so."""
    assert read_answer(200, [("content-type", "text/html; charset=utf-8")], b"hello").page
    assert read_answer(200, [], b"\xef\xbb\xbf \n<!doctypehtml>").page
    assert not read_answer(200, [], b"hello").page


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>_____tmd_____/punish", []),
        (b'<meta name="aliyun_waf_aa">', []),
        (b'{"ret":["FAIL_SYS_USER_VALIDATE"]}', []),
        (b'{"data":{"url":"https://chat.qwen.ai/_____tmd_____/punish"}}', []),
        (b"", [("Location", "https://chat.qwen.ai/_____tmd_____/punish")]),
    ],
)
def test_the_marks_of_the_firewall_are_seen_anywhere(body: bytes, headers: list[tuple[str, str]]) -> None:
    """In a page, in JSON, or in a redirect."""
    assert read_answer(200, headers, body).challenged


def test_words_about_the_firewall_are_not_the_firewall() -> None:
    """In JSON the marks count in the firewall's own fields only: an answer may speak of them."""
    assert not answer({"success": True, "data": {"message": "aliyun_waf and _____tmd_____"}}).challenged


def test_a_delta_with_an_error_tells_its_words() -> None:
    """The content of the failed delta, or the details in its `extra`, are Qwen's words."""
    delta = {"status": "error", "content": "no"}
    assert read_frame({"choices": [{"delta": delta}]}).details == "no"
    told = {**delta, "extra": {"code": "Bad", "details": "why"}}
    refusal = read_frame({"choices": [{"delta": told}]})
    assert (refusal.code, refusal.details) == ("bad", "why")


def test_an_error_may_be_a_lone_sentence() -> None:
    """`error` as a string is Qwen's words."""
    assert read_frame({"error": "broken"}).details == "broken"


def test_a_quote_is_one_short_line() -> None:
    """Qwen's words are quoted on one line of at most two hundred characters."""
    assert Refusal(200, details="a\n\n b").quote == " Qwen's words: a b"
    quote = Refusal(200, details="x" * 10_000).quote
    assert len(quote) == len(" Qwen's words: ") + 200
    assert quote.endswith("…")


@pytest.mark.parametrize("details", ["", " \n", "<html>secret</html>", "\n <b>"])
def test_pages_and_silence_are_not_quoted(details: str) -> None:
    """A raw page never reaches a message."""
    assert Refusal(200, details=details).quote == ""


@given(st.integers(100, 599), st.binary(max_size=60), st.text(max_size=10))
def test_no_body_is_too_strange(status: int, body: bytes, header: str) -> None:
    """Any answer has facts."""
    assert isinstance(read_answer(status, [("retry-after", header), ("content-type", header)], body), Refusal)
