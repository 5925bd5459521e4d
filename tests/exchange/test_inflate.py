from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import AnswerUnreadable, InvalidRequest, RequestTooLarge
from qwen_bridge.exchange.inflate import INFLATED_LIMIT, MEMBERS_LIMIT, ContentDecoder, inflated
from tests.qwen import frames
from tests.stage_laws import check_close, check_eager, cuts, run, single_bytes

TEXT = frames.STREAMS["thinking summary"]


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def br(data: bytes) -> bytes:
    return bytes(brotli.compress(data))


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", br),
    "zstd": ("zstd", zstd),
    "stacked": ("gzip, br", lambda data: br(gzip.compress(data))),
    "stacked with identity": (" zstd ,identity,, deflate", lambda data: zlib.compress(zstd(data))),
    "gzip of two members": ("gzip", lambda data: gzip.compress(data[:99]) + gzip.compress(data[99:])),
    "zstd of two frames": ("zstd", lambda data: zstd(data[:99]) + zstd(data[99:])),
}
CODINGS = ["gzip", "deflate", "br", "zstd"]
coded = pytest.mark.parametrize(("encoding", "pack"), PACKED.values(), ids=PACKED.keys())


def unpacked(encoding: str, pieces: list[bytes]) -> bytes | type[AnswerUnreadable]:
    try:
        return b"".join(run(partial(ContentDecoder, encoding), pieces))
    except AnswerUnreadable as error:
        return type(error)


@coded
@given(places=st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_any_cut_unpacks_to_the_same(encoding: str, pack: Callable[[bytes], bytes], places: list[int]) -> None:
    """A packed body gives its content back, however the network cut it."""
    packed = pack(TEXT)
    assert unpacked(encoding, cuts(packed, *places)) == TEXT


@coded
def test_a_body_may_come_byte_by_byte(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """The smallest pieces there are."""
    assert unpacked(encoding, single_bytes(pack(TEXT))) == TEXT


@coded
def test_it_is_a_stage(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """It keeps the laws of stages about closing and finished lists."""
    pieces = cuts(pack(TEXT), 7, 90)
    check_close(partial(ContentDecoder, encoding), pieces)
    check_eager(partial(ContentDecoder, encoding), pieces)


@pytest.mark.parametrize("wbits", [31, 15, -15], ids=["gzip", "deflate", "raw deflate"])
def test_what_was_flushed_is_unpacked_at_once(wbits: int) -> None:
    """A server that flushes after each event is read event by event: nothing waits for the end."""
    packer = zlib.compressobj(wbits=wbits)
    decoder = ContentDecoder("gzip" if wbits == 31 else "deflate")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        packed = packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.feed(packed)) == event


@coded
def test_a_truncated_body_gives_its_beginning(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """What is missing is for the protocol above to notice; what came is not lost, and nothing is raised."""
    packed = pack(TEXT)
    for end in range(0, len(packed), 17):
        beginning = unpacked(encoding, [packed[:end]])
        assert isinstance(beginning, bytes)
        assert TEXT.startswith(beginning)


@pytest.mark.parametrize("encoding", CODINGS)
@given(garbage=st.binary(min_size=1, max_size=200), places=st.lists(st.integers(0, 200), max_size=5))
def test_garbage_is_unreadable_under_every_cut(encoding: str, garbage: bytes, places: list[int]) -> None:
    """Bytes that are not what the header says end in one error, or in nothing, alike for every cut."""
    assert _outcome(unpacked(encoding, cuts(garbage, *places))) == _outcome(unpacked(encoding, [garbage]))


@pytest.mark.parametrize("encoding", CODINGS)
@given(data=st.data())
def test_a_damaged_body_is_unreadable_or_harmless(encoding: str, data: st.DataObject) -> None:
    """One wrong byte is an `AnswerUnreadable` or goes unnoticed, and never any other exception."""
    packed = bytearray(PACKED[encoding][1](TEXT))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    unpacked(encoding, [bytes(packed)])


@pytest.mark.parametrize("encoding", CODINGS)
def test_text_behind_the_body_is_unreadable_however_it_is_cut(encoding: str) -> None:
    """What follows a complete body and is none itself is reported in one piece and in two."""
    packed = PACKED[encoding][1](TEXT)
    # Raw deflate would take many other bytes for the head of a block.
    behind = b"\xff\xff" if encoding == "deflate" else b"data: more\n\n"
    assert unpacked(encoding, [packed + behind]) is AnswerUnreadable
    assert unpacked(encoding, [packed, behind]) is AnswerUnreadable


@pytest.mark.parametrize("encoding", [*CODINGS, "gzip, gzip", "br, zstd"])
def test_what_swells_without_end_is_stopped_on_the_way(encoding: str) -> None:
    """A few kilobytes that mean half a gigabyte cost a few megabytes, and are unreadable."""
    packed = bytes(512 * 1024 * 1024)
    for name in encoding.split(", "):
        packed = PACKED[name][1](packed)
    decoder = ContentDecoder(encoding)
    tracemalloc.start()
    with pytest.raises(AnswerUnreadable, match="swells"):
        list(map(decoder.feed, [packed[start : start + 65_536] for start in range(0, len(packed), 65_536)]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * INFLATED_LIMIT


@pytest.mark.parametrize("encoding", CODINGS)
def test_a_long_answer_may_be_compressed_well(encoding: str) -> None:
    """Frames that repeat themselves a thousand times are no attack, whatever size the pieces have."""
    long = TEXT * 1000
    packed = PACKED[encoding][1](long)
    assert unpacked(encoding, [packed[start : start + 500] for start in range(0, len(packed), 500)]) == long


def test_many_encodings_upon_one_another_are_refused() -> None:
    """Nobody sends a fifth."""
    ContentDecoder("gzip, br, zstd, deflate, identity")
    with pytest.raises(AnswerUnreadable, match="5 times"):
        ContentDecoder("gzip, gzip, gzip, gzip, gzip")


def test_an_empty_piece_is_nothing() -> None:
    """An empty piece, also behind the end of a body, gives no piece and no error."""
    for encoding, pack in PACKED.values():
        decoder = ContentDecoder(encoding)
        assert list(decoder.feed(b"")) == []
        assert b"".join(decoder.feed(pack(TEXT))) == TEXT
        assert list(decoder.feed(b"")) == []


@pytest.mark.parametrize("encoding", ["compress", "gzip, lzma", "x" * 500, "gzip;q=1"])
def test_an_unknown_encoding_is_refused_by_name(encoding: str) -> None:
    """The error names the encoding, and not more of it than a line."""
    with pytest.raises(AnswerUnreadable, match="content encoding") as raised:
        ContentDecoder(encoding)
    assert len(raised.value.message) < 200


def _outcome(result: bytes | type[AnswerUnreadable]) -> object:
    # What came before the error has been handed out or not, depending on the cut; the error itself must not depend.
    return AnswerUnreadable if result is AnswerUnreadable else result


# -- a client's whole body ----------------------------------------------------------------------------------------

ROOM = len(TEXT)


@coded
def test_a_clients_body_is_unpacked_whole(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """Up to the limit exactly; one byte more is too large."""
    assert inflated(pack(TEXT), encoding, ROOM) == TEXT
    if pack is not bytes:
        with pytest.raises(RequestTooLarge, match="unpacked larger"):
            inflated(pack(TEXT + b" "), encoding, ROOM)


@pytest.mark.parametrize("encoding", [*CODINGS, "gzip, gzip", "br, zstd"])
def test_a_clients_bomb_is_stopped_on_the_way(encoding: str) -> None:
    """What would become a hundred times the limit costs a few times of it."""
    packed, limit = bytes(100 * 1024 * 1024), 1024 * 1024
    for name in encoding.split(", "):
        packed = PACKED[name][1](packed)
    tracemalloc.start()
    with pytest.raises(RequestTooLarge):
        inflated(packed, encoding, limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * limit


@pytest.mark.parametrize(
    "encoding", ["compress", "gzip, lzma", "x" * 500, "rot13", "utf-16", "bz2", "gzip, gzip, gzip, gzip, gzip"]
)
def test_a_clients_unknown_encoding_is_refused_by_name(encoding: str) -> None:
    """Names that Python has a codec for are no encodings of HTTP either."""
    with pytest.raises(InvalidRequest, match="Use gzip, deflate, br, zstd or none") as raised:
        inflated(b"{}", encoding, ROOM)
    assert len(raised.value.message) < 200


@pytest.mark.parametrize("encoding", CODINGS)
def test_a_clients_garbage_is_refused(encoding: str) -> None:
    """The sentence names the encoding that it is not."""
    with pytest.raises(InvalidRequest, match=encoding):
        inflated(b"\xff\xffno such thing", encoding, ROOM)


def test_members_without_end_are_refused() -> None:
    """Empty members of gzip, each of which would cost a copy of all that follow."""
    assert inflated(gzip.compress(b"") * MEMBERS_LIMIT, "gzip", ROOM) == b""
    with pytest.raises(InvalidRequest, match="too many members"):
        inflated(gzip.compress(b"") * (MEMBERS_LIMIT + 1), "gzip", ROOM)
    assert unpacked("gzip", [gzip.compress(b"")] * (MEMBERS_LIMIT + 1)) is AnswerUnreadable


def test_a_window_that_http_does_not_allow_is_refused() -> None:
    """zstd's window of 128 MiB would be kept ready for a few bytes (RFC 9659 allows 8)."""
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27))
    packer = wide.compressobj()
    packed = packer.compress(TEXT) + packer.flush()
    with pytest.raises(InvalidRequest, match="zstd"):
        inflated(packed, "zstd", ROOM)
