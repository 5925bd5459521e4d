from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.delivery import compress, recut
from qwen_bridge.simulator.frames import Frame

FRAMES = (Frame(b"created"), Frame(b"one", "1"), Frame(b"two", "2"), Frame(b"end"))
BODY = b"createdonetwoend"


@pytest.mark.parametrize(
    ("cut", "pieces"),
    [
        ("whole", [BODY]),
        ("byte", [bytes((byte,)) for byte in BODY]),
        ([8, 3, 0, 99], [b"cre", b"atedo", b"netwoend"]),
        ([], [BODY]),
    ],
)
def test_a_body_is_cut_as_told(cut: str | list[int], pieces: list[bytes]) -> None:
    """Offsets may come in any order; those outside the body do nothing."""
    assert [frame.data for frame in recut(FRAMES, cut)] == pieces


@given(st.one_of(st.text().map("random:{}".format), st.lists(st.integers(0, 30)), st.sampled_from(["byte", "whole"])))
def test_no_cut_loses_a_byte_or_a_word(cut: str | list[int]) -> None:
    """In pieces of any size the body and its text are the same."""
    pieces = recut(FRAMES, cut)
    assert b"".join(piece.data for piece in pieces) == BODY
    assert "".join(piece.text for piece in pieces) == "12"
    assert all(piece.data for piece in pieces)


def test_random_cuts_are_the_same_for_the_same_seed() -> None:
    """A failing cut can be had again by its name."""
    long = [Frame(b"x" * 5000)]
    assert recut(long, "random:1") == recut(long, "random:1")
    assert recut(long, "random:1") != recut(long, "random:2")


def test_a_text_goes_with_the_piece_that_ends_its_frame() -> None:
    """What was said is counted when its last byte is out."""
    assert [piece.text for piece in recut(FRAMES, [9, 11])] == ["", "1", "2"]


def test_an_unknown_cut_is_an_error() -> None:
    """A cut that is not understood is not silently none."""
    with pytest.raises(ValueError, match="unknown cut"):
        recut(FRAMES, "halves")


def test_a_compressed_frame_can_be_read_before_the_next_comes() -> None:
    """Each piece of the gzip stream gives its whole frame at once."""
    reader = zlib.decompressobj(wbits=31)
    pieces = compress(FRAMES)
    assert [reader.decompress(piece.data) for piece in pieces] == [*(frame.data for frame in FRAMES), b""]
    assert reader.eof
    assert "".join(piece.text for piece in pieces) == "12"
