from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.surrogates import holds_surrogate, joined


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a", "a"),
        ("\ud83d\ude80", "🚀"),
        ("a\ud83d", "a\ud83d"),
        ("\ude80\ud83d", "\ude80\ud83d"),
        ("🚀\ud83d", "🚀\ud83d"),
    ],
)
def test_a_pair_is_joined_and_a_lone_half_stays(text: str, whole: str) -> None:
    """Only a pair in the right order stands for a character."""
    assert joined(text) == whole


@pytest.mark.parametrize(
    ("text", "has"), [("", False), ("🚀 ä \uffff", False), ("\ud800", True), ("\ud83d\ude80", True)]
)
def test_halves_are_found(text: str, has: bool) -> None:
    """A character beyond the basic plane is no half."""
    assert holds_surrogate(text) == has
