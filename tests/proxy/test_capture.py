"""A bounded copy of an answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.proxy.capture import LIMIT, Capture

NOTE = b"\n: (the rest was not kept)\n"


@given(st.lists(st.binary(max_size=50)))
def test_what_fits_is_kept_whole(chunks: list[bytes]) -> None:
    """Below the limit the copy is the stream."""
    capture = Capture()
    for chunk in chunks:
        capture.add(chunk)
    assert capture.content == b"".join(chunks)


@given(st.lists(st.integers(1, LIMIT), min_size=1, max_size=6))
def test_what_does_not_fit_is_said(sizes: list[int]) -> None:
    """However it is cut: at most the limit, the beginning, and a line that says that something is missing."""
    capture = Capture()
    for number, size in enumerate(sizes):
        capture.add(bytes([97 + number]) * size)
    whole = b"".join(bytes([97 + number]) * size for number, size in enumerate(sizes))
    kept = capture.content.removesuffix(NOTE)
    assert kept == whole[:LIMIT]
    assert capture.content.endswith(NOTE) is (len(whole) > LIMIT)


def test_what_is_over_the_limit_costs_nothing() -> None:
    """Once it is full, no further chunk is held."""
    capture = Capture()
    capture.add(b"x" * (LIMIT + 1))
    before = capture.content
    for _ in range(100):
        capture.add(b"y" * 1000)
    assert capture.content == before
    assert len(capture._chunks) == 1
