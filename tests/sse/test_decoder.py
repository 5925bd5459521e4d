"""`SSEDecoder` against the WHATWG rules, under any cut, and against httpx-sse as a second opinion."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import pytest
from httpx_sse._decoders import SSEDecoder as OracleEvents
from httpx_sse._decoders import SSELineDecoder as OracleLines
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.sse.decoder import SSEDecoder, SSEEvent, SSEOverflow
from tests.harness.shared import QWEN, needs_shared
from tests.stage_laws import (
    check_bounded,
    check_close,
    check_cut_free,
    check_eager,
    check_linear,
    cuts,
    run,
    single_bytes,
)

type Item = SSEEvent | SSEOverflow

BOM = b"\xef\xbb\xbf"

STREAMS: dict[str, tuple[bytes, list[Item]]] = {
    "lf": (b"data: a\n\ndata: b\n\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
    "cr": (b"data: a\r\rdata: b\r\r", [SSEEvent(b"a"), SSEEvent(b"b")]),
    "mixed ends": (b"data: a\r\ndata: b\rdata: c\n\r\n", [SSEEvent(b"a\nb\nc")]),
    "lf then cr is two ends": (b"data: a\n\rdata: b\n\n", [SSEEvent(b"a"), SSEEvent(b"b")]),
    "byte order mark": (BOM + b"data: a\n\n", [SSEEvent(b"a")]),
    "two byte order marks": (BOM + BOM + b"data: a\n\ndata: b\n\n", [SSEEvent(b"b")]),
    "byte order mark inside": (b"data: " + BOM + b"a\n\n", [SSEEvent(BOM + b"a")]),
    "half a byte order mark": (b"\xef\xbbdata: a\ndata: b\n\n", [SSEEvent(b"b")]),
    "no blank after the colon": (b"data:a\n\n", [SSEEvent(b"a")]),
    "only one blank is taken": (b"data:  a\n\n", [SSEEvent(b" a")]),
    "field without colon": (b"data\ndata\n\n", [SSEEvent(b"\n")]),
    "empty data line is an event": (b"data:\n\n", [SSEEvent(b"")]),
    "no data line is none": (b"event: ping\n\nid: 1\n\n: note\n\n\n\n", []),
    "comments": (b": one\ndata: a\n:\n\n", [SSEEvent(b"a")]),
    "colons in the value": (b'data: {"a": 1}\n\n', [SSEEvent(b'{"a": 1}')]),
    "type for one event": (b"event: x\ndata: a\n\ndata: b\n\n", [SSEEvent(b"a", "x"), SSEEvent(b"b")]),
    "type is forgotten without data": (b"event: x\n\ndata: a\n\n", [SSEEvent(b"a")]),
    "id stays": (b"id: 7\ndata: a\n\ndata: b\n\n", [SSEEvent(b"a", id="7"), SSEEvent(b"b", id="7")]),
    "id with nul is ignored": (b"id: 7\nid: 8\0\ndata: a\n\n", [SSEEvent(b"a", id="7")]),
    "retry and unknown fields": (b"retry: 5\nretry: x\nfoo: bar\n# note\nData: no\ndata: a\n\n", [SSEEvent(b"a")]),
    "unicode line separators": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(),
        [SSEEvent("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg".encode())],
    ),
    "not utf-8": (b"data: \xff\xc3\n\n", [SSEEvent(b"\xff\xc3")]),
    "unterminated": (b"data: a\n\ndata: b\n", [SSEEvent(b"a")]),
    "empty": (b"", []),
}

_PIECES = [
    b"data",
    b"event",
    b"id",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"a",
    b"\0",
    BOM,
    b"\xe2\x80\xa8",
    b"\xff",
]
streams = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=40).map(b"".join))
positions = st.lists(st.integers(0, 80), max_size=8)


@pytest.mark.parametrize("name", STREAMS)
def test_the_rules_of_the_standard(name: str) -> None:
    """Each stream gives the events that the standard wants, whole and byte by byte."""
    data, expected = STREAMS[name]
    assert run(SSEDecoder, [data]) == expected
    assert run(SSEDecoder, single_bytes(data)) == expected


@pytest.mark.parametrize("name", STREAMS)
def test_every_single_cut_gives_the_same(name: str) -> None:
    """No place in a stream is a bad place to cut, with an empty chunk in the cut as well."""
    data, expected = STREAMS[name]
    for position in range(len(data) + 1):
        assert run(SSEDecoder, cuts(data, position, position)) == expected


@given(streams, positions)
def test_any_bytes_under_any_cut(data: bytes, where: list[int]) -> None:
    """Arbitrary bytes never raise, and give the same events however they are cut."""
    recut = cuts(data, *where)
    check_cut_free(SSEDecoder, [data], recut)
    check_close(SSEDecoder, recut)
    check_eager(SSEDecoder, recut)


@given(streams, positions)
def test_a_limit_does_not_depend_on_the_cut(data: bytes, where: list[int]) -> None:
    """A stream overflows at the same event however it is cut, and nothing comes behind the overflow."""

    def make() -> SSEDecoder:
        return SSEDecoder(max_event_bytes=8)

    recut = cuts(data, *where)
    check_cut_free(make, [data], recut)
    check_bounded(make, recut, limit=2 * 8 + len(BOM) + 8 + 16)
    overflows = [position for position, item in enumerate(run(make, recut)) if isinstance(item, SSEOverflow)]
    assert overflows in ([], [len(run(make, recut)) - 1])


@given(streams, positions)
def test_httpx_sse_reads_the_same(data: bytes, where: list[int]) -> None:
    """A second decoder sees the same events, save for what it does otherwise on purpose.

    It takes no byte order mark away, and it dispatches an event for a blank line once an id was seen; so no stream
    here begins with the former, and events without data are left out on both sides.
    """
    data = data.removeprefix(BOM).removeprefix(BOM)
    if data.startswith(BOM):
        return
    ours = [
        (item.text, item.event, item.id) for item in run(SSEDecoder, cuts(data, *where)) if isinstance(item, SSEEvent)
    ]
    assert [event for event in ours if event[0]] == _oracle(cuts(data, *where))


def _oracle(chunks: Sequence[bytes]) -> list[tuple[str, str, str]]:
    """The events with data that httpx-sse finds."""
    text, lines, events = codecs.getincrementaldecoder("utf-8")("replace"), OracleLines(), OracleEvents()
    found: list[str] = []
    for chunk in chunks:
        piece = text.decode(chunk)
        found += lines.decode(piece) if piece else []
    rest = text.decode(b"", final=True)
    found += lines.decode(rest) if rest else []
    # Its flush hands over a line without an end too, which can finish no event but for a lone CR.
    dispatched = [event for event in map(events.decode, [*found, *lines.flush()]) if event is not None]
    return [(event.data, event.event or "message", event.id) for event in dispatched if event.data]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: 12\n\n", [SSEEvent(b"12")]),  # the line is exactly the limit
        (b"data: 123\n\n", [SSEOverflow(8)]),
        (b"data:123456789", [SSEOverflow(8)]),  # before its end has come
        (b"data:1\n\n:a comment of more than eight\n\ndata: 2\n\n", [SSEEvent(b"1"), SSEOverflow(8)]),
        (b"data:123\ndata:456\ndata:\n\n", [SSEEvent(b"123\n456\n")]),  # the line ends between count
        (b"data:123\ndata:456\ndata:7\n\n", [SSEOverflow(8)]),
        (b"data:123\n\n" * 3, [SSEEvent(b"123")] * 3),  # each event has its own
        (b"data\n" * 9 + b"\n", [SSEEvent(b"\n" * 8)]),
        (b"data\n" * 10 + b"\n", [SSEOverflow(8)]),
    ],
)
def test_a_line_and_an_event_have_a_limit(data: bytes, expected: list[Item]) -> None:
    """What is longer than the limit ends the stream with one overflow, after the events before it."""

    def make() -> SSEDecoder:
        return SSEDecoder(max_event_bytes=8)

    assert run(make, [data]) == expected
    assert run(make, single_bytes(data)) == expected


def test_a_long_line_is_not_held_beyond_the_limit() -> None:
    """A sender that never ends its line cannot fill the memory."""
    check_bounded(lambda: SSEDecoder(max_event_bytes=100), [b"data: " + b"x" * 40] * 50, limit=100)


def test_the_work_is_linear_in_the_chunks() -> None:
    """A line that comes in many pieces is not searched again with each piece."""
    check_linear(SSEDecoder, lambda size: [b"x"] * size)
    check_linear(SSEDecoder, lambda size: [b"data: a\n\n"] * size)


@pytest.mark.parametrize(
    ("data", "unfinished"),
    [
        (b"", False),
        (b"data: a\n\n", False),
        (b"data: a\n", True),
        (b"data: a", True),
        (b"data: a\n\n\r", False),
        (b"\xef\xbb", True),
        (BOM, False),
    ],
)
def test_the_decoder_tells_of_dropped_bytes(data: bytes, unfinished: bool) -> None:
    """After `close`, `unfinished` says whether an event was cut."""
    decoder = SSEDecoder()
    decoder.feed(data)
    decoder.close()
    assert decoder.unfinished is unfinished


def test_nothing_comes_after_close() -> None:
    """A closed decoder takes no more."""
    decoder = SSEDecoder()
    decoder.close()
    assert list(decoder.feed(b"data: a\n\n")) == []


def test_an_event_is_dispatched_as_soon_as_it_can_be() -> None:
    """The first byte of the blank line is enough: an LF that may belong to its CR is not waited for."""
    decoder = SSEDecoder()
    assert list(decoder.feed(b"data: a\r\n\r")) == [SSEEvent(b"a")]
    assert list(decoder.feed(b"\ndata: b\n\n")) == [SSEEvent(b"b")]


def test_text_is_utf8_with_replacements() -> None:
    """Bytes that are no UTF-8 become U+FFFD in `text` and stay as they are in `data`."""
    assert SSEEvent(b"a\xffb").text == "a\ufffdb"


@needs_shared
@pytest.mark.parametrize("path", sorted(QWEN.glob("*.sse")), ids=lambda path: path.name[:24])
def test_the_captures_under_cuts(path: Path) -> None:
    """A recorded stream gives the same events whole, byte by byte, and as httpx-sse reads it."""
    data = path.read_bytes()
    check_cut_free(SSEDecoder, [data], single_bytes(data))
    texts = [item.text for item in run(SSEDecoder, [data]) if isinstance(item, SSEEvent)]
    assert texts == [event[0] for event in _oracle([data])]
    assert texts


def test_a_last_event_without_its_blank_line_is_kept_on_demand() -> None:
    """With `keep_last` complete lines are an event at the end of the stream, and a line cut short is still none."""
    whole, cut = SSEDecoder(keep_last=True), SSEDecoder(keep_last=True)
    whole.feed(b"data: one\ndata: two\n")
    cut.feed(b"data: one\ndata: tw")
    assert [event.data for event in whole.close() if isinstance(event, SSEEvent)] == [b"one\ntwo"]
    assert not whole.unfinished
    assert list(whole.close()) == []
    assert list(cut.close()) == []
    assert cut.unfinished
