"""What is written into an event stream, and that a decoder reads it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.sse.decoder import SSEDecoder, SSEEvent
from qwen_bridge.sse.encoder import DONE, comment, encode
from tests.stage_laws import run


def test_an_event_is_one_data_line_and_a_blank_one() -> None:
    """The form is OpenAI's: one blank after the colon, LF ends."""
    assert encode(b'{"a":1}') == b'data: {"a":1}\n\n'


def test_a_typed_event_has_its_type_before() -> None:
    """The Responses API names each event in a line of its own."""
    assert encode(b"{}", "response.created") == b"event: response.created\ndata: {}\n\n"


def test_done_is_an_event_of_its_own() -> None:
    """The end mark reads back as the five letters in brackets."""
    assert encode(b"[DONE]") == DONE


@given(st.binary(max_size=40).filter(lambda data: b"\r" not in data))
def test_what_is_written_reads_back(data: bytes) -> None:
    """Any data without CR survives, also with line ends inside."""
    assert run(SSEDecoder, [encode(data, "kind")]) == [SSEEvent(data, "kind")]


@pytest.mark.parametrize("data", [b"a\rb", b"a\r\nb"])
def test_a_carriage_return_cannot_break_the_frame(data: bytes) -> None:
    """CR ends a line like LF, so it is written as a line end."""
    assert run(SSEDecoder, [encode(data)]) == [SSEEvent(b"a\nb")]


@given(st.text(max_size=40), st.text(max_size=20))
def test_nothing_slips_out_of_a_comment_or_a_type(text: str, kind: str) -> None:
    """Line ends in a comment or a type do not begin a line of their own."""
    stream = comment(text) + encode(b"x", kind)
    assert [item.data for item in run(SSEDecoder, [stream]) if isinstance(item, SSEEvent)] == [b"x"]


def test_a_comment_is_a_frame_of_its_own() -> None:
    """A comment ends with a blank line, so that buffers on the way let it through."""
    assert comment("keep-alive") == b": keep-alive\n\n"
