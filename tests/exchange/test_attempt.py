from __future__ import annotations

import gzip
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import (
    AnswerCutOff,
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ChatBusy,
    ConnectionLost,
    EmptyAnswer,
    QuotaExceeded,
)
from qwen_bridge.events import ResponseEnded, ResponseFailed, StreamEvent, TextDelta
from qwen_bridge.exchange.attempt import REFUSAL_LIMIT, Attempt
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.exchange.tooling import Through
from tests.exchange.driving import CHAT_BUSY, EVENT_STREAM, JSON
from tests.qwen import frames
from tests.stage_laws import comparable, cuts

HALF = frames.stream(frames.created(), frames.delta("Hel"))
QUOTA = b'{"success":false,"data":{"code":"RateLimited","details":"no","num":3}}'


def taken(attempt: Attempt, status: int, headers: Headers, *pieces: bytes) -> list[StreamEvent]:
    """All events up to the end of the pieces."""
    return [*attempt.responded(status, headers), *(event for piece in pieces for event in attempt.feed(piece))]


def failure(events: Sequence[StreamEvent]) -> BridgeError:
    """The error of a list of events that consists of one failure."""
    (event,) = events
    assert isinstance(event, ResponseFailed)
    return event.error


def test_it_waits_until_there_is_a_status() -> None:
    """Silence before the status is another silence than the one behind it."""
    attempt = Attempt(Through())
    assert attempt.waiting
    attempt.responded(200, EVENT_STREAM)
    assert not attempt.waiting


def test_an_event_stream_becomes_events_as_it_comes() -> None:
    """Each event is there in the call that brought its last byte; the end comes with the end of the body."""
    attempt = Attempt(Through())
    assert taken(attempt, 200, EVENT_STREAM, HALF)[-1] == TextDelta("Hel")
    assert attempt.feed(frames.stream(frames.delta("lo"), frames.finished())) == [TextDelta("lo")]
    assert attempt.finished() == [ResponseEnded("stop")]


@given(
    name=st.sampled_from(sorted(frames.STREAMS)),
    places=st.lists(st.integers(0, 2000), max_size=8),
    blank=st.sampled_from([b"", b"\n", b"\r\n\r\n", b": hello\n\n", b"\xef\xbb\xbf"]),
    packed=st.booleans(),
)
def test_the_events_do_not_depend_on_the_cut(name: str, places: list[int], blank: bytes, packed: bool) -> None:
    """Whatever comes first in the body, and whether it is compressed: any cut gives the same events."""
    body = blank + frames.STREAMS[name]
    if packed and not blank:
        body = gzip.compress(body, mtime=0)
    headers = (*EVENT_STREAM, ("content-encoding", "gzip" if packed and not blank else "identity"))
    outcomes = []
    for pieces in ([body], cuts(body, *places)):
        attempt = Attempt(Through())
        outcomes.append(comparable([*taken(attempt, 200, headers, *pieces), *attempt.finished()]))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (200, JSON, QUOTA, QuotaExceeded),
        (429, JSON, QUOTA, QuotaExceeded),
        (200, CHAT_BUSY.headers, CHAT_BUSY.pieces[0], ChatBusy),
        (200, (("content-type", "text/html"),), b"<html>aliyun_waf_aa", ChallengeRequired),
        (403, (), b"", BridgeError),
        (200, (), b"", EmptyAnswer),
        (500, EVENT_STREAM, HALF, BridgeError),
        (200, EVENT_STREAM, QUOTA, QuotaExceeded),
        (200, EVENT_STREAM, b"\r\n \n" + QUOTA, QuotaExceeded),
        (200, EVENT_STREAM, b"<!doctype html><html>aliyun_waf_aa", ChallengeRequired),
        (200, EVENT_STREAM, b"", EmptyAnswer),
        (200, EVENT_STREAM, b" \n\n", EmptyAnswer),
    ],
)
@pytest.mark.parametrize("cut", [None, 1, 5])
def test_what_is_no_stream_is_classified_when_it_is_whole(
    status: int, headers: Headers, body: bytes, kind: type[BridgeError], cut: int | None
) -> None:
    """A refusal says nothing before its end, and then what it means, whatever its content type claims."""
    attempt = Attempt(Through())
    assert not taken(attempt, status, headers, *(cuts(body, cut) if cut else [body]))
    assert isinstance(failure(attempt.finished()), kind)


def test_a_compressed_refusal_is_read_too() -> None:
    """Error pages are compressed more often than streams."""
    attempt = Attempt(Through())
    assert not taken(attempt, 200, (*JSON, ("content-encoding", "gzip")), gzip.compress(QUOTA))
    assert isinstance(failure(attempt.finished()), QuotaExceeded)


def test_an_encoding_in_two_headers_is_undone_from_the_last() -> None:
    """A list may be split over several headers of one name (RFC 9110, 5.3)."""
    attempt = Attempt(Through())
    headers = (*EVENT_STREAM, ("content-encoding", "gzip"), ("content-encoding", "gzip"))
    events = taken(attempt, 200, headers, gzip.compress(gzip.compress(HALF)))
    assert events[-1] == TextDelta("Hel")


def test_of_a_long_refusal_only_the_beginning_is_kept() -> None:
    """A page without end costs no more memory than its first 64 KiB, and is still told by its beginning."""
    attempt = Attempt(Through())
    attempt.responded(200, (("content-type", "text/html"),))
    attempt.feed(b"<html>aliyun_waf_aa" + b"x" * REFUSAL_LIMIT)
    for _ in range(3):
        attempt.feed(b"y" * REFUSAL_LIMIT)
    assert len(attempt._body) == REFUSAL_LIMIT
    assert isinstance(failure(attempt.finished()), ChallengeRequired)


def test_blanks_without_end_are_not_kept() -> None:
    """A stream that begins with nothing but blanks is taken for a stream after 64 KiB of them."""
    attempt = Attempt(Through())
    taken(attempt, 200, EVENT_STREAM, b" " * REFUSAL_LIMIT)
    assert not attempt._body
    assert not attempt.feed(b"\n")
    assert attempt.feed(HALF)[-1] == TextDelta("Hel")


@pytest.mark.parametrize("encoding", ["lzma", "gzip, lzma"])
def test_an_unknown_encoding_fails_at_the_head(encoding: str) -> None:
    """The bytes could not be read anyway."""
    assert isinstance(
        failure(Attempt(Through()).responded(200, (*EVENT_STREAM, ("content-encoding", encoding)))), AnswerUnreadable
    )


def test_bytes_that_are_not_what_the_encoding_says_fail() -> None:
    """Bad compression is a failure of the answer, not an exception."""
    attempt = Attempt(Through())
    attempt.responded(200, (*EVENT_STREAM, ("content-encoding", "br")))
    assert isinstance(failure(attempt.feed(HALF)), AnswerUnreadable)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        (None, ConnectionLost),
        ((200, JSON, b'{"succ'), ConnectionLost),
        ((200, EVENT_STREAM), AnswerCutOff),
        ((200, EVENT_STREAM, HALF), AnswerCutOff),
        ((200, EVENT_STREAM, HALF + b'data: {"choices'), AnswerCutOff),
        ((200, EVENT_STREAM, frames.stream(frames.created(), frames.delta("Hm", "think"))), AnswerCutOff),
    ],
)
def test_a_lost_connection_says_how_far_it_got(
    pieces: tuple[int, Headers] | tuple[int, Headers, bytes] | None, kind: type[BridgeError]
) -> None:
    """Before an answer it is a lost connection, within one a cut answer."""
    attempt = Attempt(Through())
    if pieces is not None:
        taken(attempt, *pieces)
    assert type(failure(attempt.lost())) is kind


def test_a_connection_lost_behind_the_end_is_an_end() -> None:
    """Once Qwen has said that it is finished, the answer is whole."""
    attempt = Attempt(Through())
    taken(attempt, 200, EVENT_STREAM, frames.PLAIN)
    assert attempt.lost() == [ResponseEnded("stop")]


def test_a_last_event_without_its_blank_line_counts() -> None:
    """The site was seen to end a stream on a line's end: that last event is read."""
    attempt = Attempt(Through())
    taken(attempt, 200, EVENT_STREAM, frames.PLAIN[:-1])
    assert attempt.finished() == [ResponseEnded("stop")]


def test_the_words_of_a_failure_hold_nothing_of_the_answer() -> None:
    """An error of the wire quotes neither bytes nor addresses of Qwen's."""
    attempt = Attempt(Through())
    taken(attempt, 200, EVENT_STREAM, frames.stream(frames.created(), frames.delta("my secret")))
    assert "secret" not in json.dumps(failure(attempt.lost()).envelope())


def test_a_refusal_that_breaks_off_is_told_by_its_status() -> None:
    """A 401 whose body never came whole is still a 401, and not worth three attempts."""
    attempt = Attempt(Through())
    attempt.responded(401, (("content-type", "application/json"),))
    attempt.feed(b'{"success":false,"da')
    (failed,) = attempt.lost()
    assert isinstance(failed, ResponseFailed)
    assert failed.error.status == 401
