"""Figures as people read them."""

from __future__ import annotations

import pytest

from qwen_bridge.observe.figures import part, size, span, took


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (99_960, "100 KB"), (999_999, "1.0 MB"), (5 * 10**12, "5000 GB")],
)
def test_size(number: int, words: str) -> None:
    """Two or three digits and a unit."""
    assert size(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (3605, "1 h"), (90_000, "1 d 1 h")],
)
def test_span(seconds: float, words: str) -> None:
    """Two units that follow one another; a clock that went back is no time at all."""
    assert span(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.123, "0.12 s"), (12.3, "12 s"), (125, "2 min 5 s")])
def test_took(seconds: float, words: str) -> None:
    """More digits where it is short."""
    assert took(seconds) == words


def test_part() -> None:
    """A dash where there is nothing to divide."""
    assert (part(0.915), part(None)) == ("92 %", "–")
