from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.stops import Stops

STOPS = Stops(["read_file", "ping"])


@pytest.mark.parametrize(
    "mark",
    [
        "<read_file>", "</read_file>", "<Read-File>", "< / ping>", "＜ping", "<tool_call>", "</function>", "<think>",
        "<tool_response>", "<parameter=x>", "<!--", "<|tool|ping>", "<｜", "`", "<", "<pin",
    ],
)  # fmt: skip
def test_what_may_begin_something_is_a_stop(mark: str) -> None:
    """Tags of calls, of declared tools in any spelling, what cannot be told yet, and backticks."""
    assert STOPS.find(f"a < b <div> {mark}", 0, any_tag=False) == len("a < b <div> ")


@pytest.mark.parametrize("text", ["a < b", "<div>", "</p>\n", "<| >", "words\nand lines\n", "\nThe end", "\n  far"])
def test_all_else_is_passed_over(text: str) -> None:
    """Other tags, comparisons, and lines that begin with words."""
    assert STOPS.find(f"{text} ", 0, any_tag=False) is None


def test_directly_behind_a_call_every_tag_counts() -> None:
    """Closers of an undeclared tool may be dropped there."""
    assert STOPS.find("x </nope>", 0, any_tag=True) == 2


@pytest.mark.parametrize("line", ['{"name"', "[{", "```", "~~~", "**", "&lt;", "function=", "f", "Tool", "T", "  {"])
def test_the_newline_before_a_mark_is_a_stop(line: str) -> None:
    """What counts at the start of a line only is found by the newline before it."""
    assert STOPS.find(f"word\n{line}", 0, any_tag=False) == 4
