"""The facts of a refusal, read out of whichever shape an age of the site put them in. `faults` says what they mean.

Shapes (protocol notes, section 5): the second envelope `{"success": false, "data": {code, details, num}}`, the older
flat `{code, detail, num}`, an `{"error": {code, details}}` frame, a delta with `status: "error"`, the firewall's
`{"ret": […], "data": {"url"}}`, and its pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

LONGEST_WAIT = 24 * 3600.0
"""Seconds; no quota seen was longer than ten hours, so a longer demand is a mistake and counts as this."""

_LONGEST_QUOTE = 200
_PAGE_HEAD = 64 * 1024  # bytes of a page that are searched for the marks of the firewall
_WAF_MARKS = ("_____tmd_____", "aliyun_waf", "x5secdata", "FAIL_SYS_USER_VALIDATE", "RGV587")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is known of one refusal.

    `code` is lower case without `_`, `-` and blanks, so that Qwen's spellings meet. `details` are Qwen's words,
    `hours` and `wait` (seconds) its waiting time, from the body and from the header. `success` is the envelope's,
    None without one. `parsed` says that the body is a JSON object, `page` that it is a web page, `challenged` that a
    mark of the firewall was seen in it.
    """

    status: int
    code: str = ""
    details: str = ""
    hours: float | None = None
    role: str = ""
    success: bool | None = None
    parsed: bool = False
    page: bool = False
    empty: bool = False
    challenged: bool = False
    wait: float | None = None

    @property
    def quote(self) -> str:
        """Qwen's words as the end of a message of ours, one line and short; `""` when it had none, or sent a page."""
        words = " ".join(self.details[: 4 * _LONGEST_QUOTE].split())
        if not words or words.startswith("<"):
            return ""
        if len(words) > _LONGEST_QUOTE:
            words = words[: _LONGEST_QUOTE - 1] + "…"
        return f" Qwen's words: {words}"


def read_answer(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> Refusal:
    """The facts of an answer that is not a stream. The header `x-actual-status-code` overrules `status`."""
    fields = {name.lower(): value.strip() for name, value in headers}
    actual = fields.get("x-actual-status-code", "")
    if actual.isascii() and actual.isdigit() and len(actual) == 3:
        status = int(actual)
    wait = _seconds(fields.get("retry-after", ""), fields.get("date", ""))
    frame = _object(body)
    if frame is not None:
        return _read(frame, status, wait=wait)
    head = body[:_PAGE_HEAD].decode("utf-8", "replace")
    challenged = _marked(head) or _marked(fields.get("location", ""))
    page = "html" in fields.get("content-type", "").lower() or head.lstrip("\ufeff \t\r\n").startswith("<")
    return Refusal(status, page=page, empty=not body.strip(), challenged=challenged, wait=wait)


def read_frame(frame: Mapping[str, Any]) -> Refusal:
    """The facts of a frame inside a stream."""
    match frame.get("choices"):
        case [{"delta": {"status": "error", **delta}}, *_]:
            extra = delta.get("extra")
            words = extra if isinstance(extra, dict) else {}
            frame = {**words, "details": words.get("details") or delta.get("content"), **frame}
    return _read(frame, 200)


def _read(frame: Mapping[str, Any], status: int, *, wait: float | None = None) -> Refusal:
    places = [place for place in (frame.get("data"), frame.get("error"), frame) if isinstance(place, dict)]
    success = frame.get("success")
    return Refusal(
        status,
        code=re.sub(r"[\s_-]", "", _first(places, "code")).lower(),
        details=_first(places, "details", "detail", "message", "msg") or _text(frame.get("error")),
        hours=_hours(places),
        role=_first(places, "role"),
        success=success if isinstance(success, bool) else None,
        parsed=True,
        challenged=_marked(_text(frame.get("ret"))) or _marked(_first(places, "url")),
        wait=wait,
    )


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _first(places: Sequence[Mapping[str, Any]], *names: str) -> str:
    """The first text under one of the names."""
    texts = (_text(place.get(name)) for place in places for name in names)
    return next((text for text in texts if text), "")


def _text(value: object) -> str:
    """A text, or a list of texts (`RequestValidationError` sends one) joined; `""` for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(item for item in value if isinstance(item, str))
    return ""


def _hours(places: Sequence[Mapping[str, Any]]) -> float | None:
    for place in places:
        number = place.get("num")
        if isinstance(number, int | float) and not isinstance(number, bool) and number > 0:
            return float(number)
    return None


def _seconds(text: str, date: str) -> float | None:
    """A `retry-after`: a number, or a point in time, which is measured from the answer's own `date` (RFC 9110, 10.2.3).

    None for what is neither, or lies in the past; never more than `LONGEST_WAIT`.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text[:20]), LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(date)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one with and one without a time zone
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None


def _marked(text: str) -> bool:
    return any(mark in text for mark in _WAF_MARKS)
