from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.parser import BadRequest, Part, RequestParser
from qwen_bridge.simulator.requests import Request

POST = b"POST /x?y=1 HTTP/1.1\r\nHost: h\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /z HTTP/1.1\r\nHost: h\r\nUser-Agent: Mozilla/5.0\r\n\r\n"


def read(parser: RequestParser) -> list[Part | Request]:
    """Everything up to the next request, or to where bytes are missing."""
    found: list[Part | Request] = []
    while True:
        found.append(parser.next())
        if found[-1] is Part.NEED_DATA or isinstance(found[-1], Request):
            return found


def test_a_request_comes_head_first() -> None:
    """The head is told before the body is complete."""
    parser = RequestParser()
    parser.feed(POST[:-2])
    assert read(parser) == [Part.HEAD, Part.NEED_DATA]
    assert parser.head is not None
    assert parser.head.target == "/x?y=1"
    parser.feed(POST[-2:])
    (request,) = read(parser)
    assert isinstance(request, Request)
    assert (request.method, request.body, request.header("cookie")) == ("POST", b"hello", "a=1; b=2")


def test_the_next_request_waits_behind_the_last() -> None:
    """Bytes that came early are kept for the next request."""
    parser = RequestParser()
    parser.feed(POST + GET)
    assert isinstance(read(parser)[-1], Request)
    parser.restart()
    second = read(parser)[-1]
    assert isinstance(second, Request)
    assert (second.method, second.path, second.body) == ("GET", "/z", b"")
    parser.restart()
    assert read(parser) == [Part.NEED_DATA]


def test_a_client_that_waits_for_100_is_told_apart() -> None:
    """`Expect: 100-continue` shows at the head."""
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert parser.next() is Part.CONTINUE


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.0\r\n\r\n", b"hello\r\n\r\n", b"a" * 400_000]
)
def test_what_is_no_request_is_refused(rubbish: bytes) -> None:
    """TLS on the plain port, HTTP/1.0, prose and endless heads are `BadRequest`."""
    parser = RequestParser()
    parser.feed(rubbish)
    with pytest.raises(BadRequest):
        parser.next()


def test_a_long_cookie_jar_is_read() -> None:
    """A browser's jar may have many kilobytes."""
    parser = RequestParser()
    parser.feed(b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=" + b"x" * 60_000 + b"\r\n\r\n")
    assert parser.next() is Part.HEAD


@given(st.lists(st.integers(1, len(POST + GET))))
def test_requests_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    """Two requests read from any pieces are the two requests."""
    stream = POST + GET
    edges = [0, *sorted(set(cuts)), len(stream)]
    parser, requests = RequestParser(), []
    for start, end in pairwise(edges):
        if start == end:
            continue
        parser.feed(stream[start:end])
        while isinstance(found := read(parser)[-1], Request):
            requests.append((found.method, found.body))
            parser.restart()
    assert requests == [("POST", b"hello"), ("GET", b"")]
