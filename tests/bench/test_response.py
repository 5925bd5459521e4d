"""The load's own reader of responses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.response import ChunkedResponse

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = HEAD + b"5\r\nhello\r\nA\r\n\r\n0\r\n\r\nab!\r\n0\r\n\r\n"
CONTENT = b"hello\r\n0\r\n\r\nab!"


@given(places=st.lists(st.integers(0, len(WHOLE)), max_size=8).map(sorted))
def test_chunks_are_undone_however_they_are_cut(places: list[int]) -> None:
    """The content is the same under any cut, also where it looks like an end, and the end is the last chunk."""
    response = ChunkedResponse()
    ends = [0, *places, len(WHOLE)]
    read = b"".join(response.feed(WHOLE[a:b]) for a, b in pairwise(ends))
    assert (response.status, read, response.over) == (200, CONTENT, True)


def test_an_unfinished_body_is_not_over() -> None:
    """Without the last chunk nothing is said to be complete, and half a chunk is not given out."""
    response = ChunkedResponse()
    assert response.feed(WHOLE[: len(HEAD) + 12]) == b"hello"
    assert not response.over


def test_a_document_comes_as_it_is() -> None:
    """A refusal can be shown: its status is known and its body is readable."""
    response = ChunkedResponse()
    assert response.feed(b'HTTP/1.1 429 Too Many\r\ncontent-length: 2\r\n\r\n{"a"}') == b'{"a"}'
    assert (response.status, response.chunked) == (429, False)


def test_what_is_not_http_is_an_error() -> None:
    """Bytes without a status are not taken for an answer."""
    with pytest.raises(ValueError):
        ChunkedResponse().feed(b"SSH-2.0-Open\r\n\r\n")
