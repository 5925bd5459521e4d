from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.likeness import alike, alike_key


@pytest.mark.parametrize("word", ["paramter", "parameeter", "parxmeter", "prameter", "parameters"])
def test_a_slip_is_seen(word: str) -> None:
    """A letter or two less, more, or another."""
    assert alike(word, "parameter")


@pytest.mark.parametrize("word", ["parameter", "param", "paragraph", "path", ""])
def test_another_word_is_another(word: str) -> None:
    """The same word is no slip, and a short or a different one neither."""
    assert not alike(word, "parameter")
    assert not alike("cat", "car")


@pytest.mark.parametrize(("key", "other"), [("cd", "cwd"), ("pah", "path"), ("urll", "url"), ("optons", "options")])
def test_short_keys_are_alike_where_they_begin_alike(key: str, other: str) -> None:
    """One letter more or less, or another; and any word written twice."""
    assert alike_key(key, other)
    assert alike_key(f"{other}{other}", other)


@pytest.mark.parametrize(("key", "other"), [("id", "cwd"), ("a", "ab"), ("url", "cwd"), ("path", "path"), ("", "cwd")])
def test_other_short_keys_are_not(key: str, other: str) -> None:
    """Nor is a word like itself."""
    assert not alike_key(key, other)
