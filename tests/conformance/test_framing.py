from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.framing import DONE, read_events, strict_json


def test_events_and_comments_are_read() -> None:
    """Data is decoded, the end mark is itself, comments and doubled empty lines say nothing."""
    raw = b': hello\n\ndata: {"a":1}\n\n\ndata:[1]\r\n\r\ndata: [DONE]\n\n'
    assert read_events(raw) == ([{"a": 1}, [1], DONE], [])


def test_end_mark_is_not_a_string() -> None:
    """The JSON string of the same look is data."""
    assert read_events(b'data: "[DONE]"\n\n') == (["[DONE]"], [])


@pytest.mark.parametrize(
    "raw",
    [
        b'data : {"a":1}\n\n',
        b'event: x\ndata: {"a":1}\n\n',
        b'\xef\xbb\xbfdata: {"a":1}\n\n',
        b'data: {\ndata: "a":1}\n\n',
        b'data: {"a":1}\n',
        b'data: {"a":1}',
        b"data: {a:1}\n\n",
        b"data: \n\n",
        b'data: {"a":NaN}\n\n',
        b'data: {"a":1,"a":2}\n\n',
        b'data: "\xff"\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_faults_of_the_frame_are_seen(raw: bytes) -> None:
    """Each way of writing an event wrongly is named."""
    assert read_events(raw)[1]


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', "[Infinity]", "", "'a'"])
def test_strict_json_refuses(text: str) -> None:
    """What is not plain JSON raises ValueError."""
    with pytest.raises(ValueError):
        strict_json(text)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_judged(raw: bytes) -> None:
    """No bytes make it raise."""
    read_events(raw)
