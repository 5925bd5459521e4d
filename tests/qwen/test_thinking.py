"""Summary arrays that are sent again and again, to text that only grows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.qwen.thinking import ThinkingSummary


def extra(titles: object, thoughts: object) -> dict[str, Any]:
    """The `extra` of a delta."""
    return {"summary_title": {"content": titles}, "summary_thought": {"content": thoughts}}


def shown(*frames: dict[str, Any]) -> str:
    """The text after all the frames of one block."""
    summary = ThinkingSummary()
    return "".join(summary.take(frame) for frame in frames)


def test_a_title_is_bold_and_its_thought_a_paragraph() -> None:
    """The form is that of OpenAI's reasoning summaries."""
    assert shown(extra(["Title"], ["Thought."])) == "**Title**\n\nThought."


def test_a_repeated_frame_says_nothing() -> None:
    """Identical frames come again and again, and bring nothing new."""
    summary = ThinkingSummary()
    summary.take(extra(["a"], ["b"]))
    assert summary.take(extra(["a"], ["b"])) == ""


def test_growing_arrays_show_what_is_new() -> None:
    """A new element is a new paragraph, the last one goes on where it ended."""
    first, second, third = extra(["a"], ["b"]), extra(["a", "c"], ["b", "d"]), extra(["a", "c"], ["b", "d e"])
    assert shown(first, second, third) == "**a**\n\nb\n\n**c**\n\nd e"


def test_a_new_block_starts_anew() -> None:
    """Behind a finished block the same words are new words, and stand apart."""
    summary = ThinkingSummary()
    text = summary.take(extra(["a"], ["b"]))
    summary.end_block()
    assert text + summary.take(extra(["a"], ["b"])) == "**a**\n\nb\n\n**a**\n\nb"


def test_blocks_without_titles_stand_apart() -> None:
    """A new block never goes on in the paragraph of the one before."""
    summary = ThinkingSummary()
    text = summary.take(extra([], ["a"]))
    summary.end_block()
    assert text + summary.take(extra([], ["a"])) == "a\n\na"


def test_a_finished_block_without_words_leaves_no_gap() -> None:
    """The first words stand at the very beginning, also behind an empty block."""
    summary = ThinkingSummary()
    summary.end_block()
    assert summary.take(extra([], ["a"])) == "a"


def test_a_rewritten_thought_brings_only_its_new_end() -> None:
    """What was shown cannot be taken back: the common beginning is not doubled, the new rest not lost."""
    text = shown(extra([], ["The cat sat."]), extra([], ["The cat ran."]), extra([], ["The cat ran. Far."]))
    assert text == "The cat sat.\n\nran. Far."


def test_a_thought_that_grows_behind_others_gets_a_paragraph() -> None:
    """Growth that cannot be placed where it belongs is not lost."""
    assert shown(extra([], ["a", "b"]), extra([], ["a more", "b"])) == "a\n\nb\n\n more"


def test_a_title_that_changes_is_told_by_its_new_end() -> None:
    """A title is closed when shown, so its growth comes as a title of its own."""
    assert shown(extra(["Read"], []), extra(["Reading"], ["x"])) == "**Read**\n\n**ing**\n\nx"


def test_a_thought_that_shrinks_and_comes_back_is_shown_once() -> None:
    """A shorter frame in between does not double what follows."""
    assert shown(extra([], ["a b"]), extra([], ["a"]), extra([], ["a b"]), extra([], ["a b c"])) == "a b c"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"summary_thought": None},
        {"summary_thought": []},
        extra(None, {"x": 1}),
        extra([None, 3], [["x"]]),
        extra("", 1),
    ],
)
def test_what_is_no_summary_says_nothing(odd: dict[str, Any]) -> None:
    """Missing fields and other types are silence."""
    assert shown(odd) == ""


def test_a_lone_string_is_one_element() -> None:
    """A summary that is no array is read as an array of one."""
    assert shown(extra("a", "b")) == "**a**\n\nb"


@given(st.lists(st.text(alphabet="abc ", min_size=1, max_size=8), min_size=1, max_size=5), st.data())
def test_growing_thoughts_are_shown_whole_and_once(thoughts: list[str], data: st.DataObject) -> None:
    """However an array grows, element by element and letter by letter, its text comes out once and in order."""
    frames = []
    for index, thought in enumerate(thoughts):
        lengths = data.draw(st.lists(st.integers(1, len(thought)), max_size=3).map(sorted))
        frames += [extra([], [*thoughts[:index], thought[:length]]) for length in [*lengths, len(thought)]]
    assert shown(*frames) == "\n\n".join(thoughts)
