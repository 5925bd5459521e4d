from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.likeness import alike


@pytest.mark.parametrize("word", ["paramter", "parameeter", "parxmeter", "prameter", "parameters"])
def test_a_slip_is_seen(word: str) -> None:
    """A letter or two less, more, or another."""
    assert alike(word, "parameter")


@pytest.mark.parametrize("word", ["parameter", "param", "paragraph", "path", ""])
def test_another_word_is_another(word: str) -> None:
    """The same word is no slip, and a short or a different one neither."""
    assert not alike(word, "parameter")
    assert not alike("cat", "car")
