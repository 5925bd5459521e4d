from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.asides import (
    LONGEST_RUN,
    REACH,
    WAIT,
    Aside,
    block_tag,
    call_fence,
    escaped_tag,
    held_suffix,
    refusal,
    run_at,
    run_goes_on,
    thinking_tag,
)

READERS = {
    "thinking": (thinking_tag, "<think>", "<think>"),
    "thinking end": (thinking_tag, "</thinking>", "</thinking>"),
    "result": (block_tag, "<tool_response>", "tool_response"),
    "quotation": (block_tag, '<file path="a.md">', "file"),
    "refusal": (refusal, "Tool read_file does not exists.", "read_file"),
    "fence": (call_fence, "```json\n{", "json"),
    "entity": (escaped_tag, "&lt;read_file&gt;", "read_file"),
}


@pytest.mark.parametrize("name", READERS)
def test_each_aside_is_seen_and_every_start_of_it_waits(name: str) -> None:
    """The whole is found with its word; a start of it waits for more, unless no more will come."""
    read, text, word = READERS[name]
    seen = read(text + " tail", 0, final=False)
    assert isinstance(seen, Aside)
    assert seen.word == word
    first = {"result": 2, "quotation": 2, "fence": 3}.get(name, 1)  # before that the gate waits by itself
    for stop in range(first, len(text)):
        assert read(text[:stop], 0, final=False) is WAIT, text[:stop]
        assert read(text[:stop], 0, final=True) is None


@pytest.mark.parametrize("name", READERS)
def test_other_text_is_none_of_them(name: str) -> None:
    """What cannot become one does not wait."""
    read, _, _ = READERS[name]
    for text in ("plain", "<table>", "Tools are", "``` x\ny", "&amp;", "Tool boxes\n"):
        assert not isinstance(read(text, 0, final=False), Aside) or name == "fence"


def test_a_fence_in_a_language_is_code() -> None:
    """Only an info string that may hold a call counts."""
    assert call_fence("```python\nx", 0, final=False) is None


def test_no_reader_waits_for_ever() -> None:
    """What is longer than the reach is let through."""
    assert refusal("Tool " + "x" * REACH, 0, final=False) is None
    assert call_fence("```" + " " * REACH, 0, final=False) is None


def test_runs_are_taken_together_up_to_a_limit() -> None:
    """Backticks stay together, and a run without end is not waited for."""
    assert run_at("```x", 0) == "```"
    assert run_at("ab", 0) == "a"
    assert run_goes_on("```", 0)
    assert not run_goes_on("```x", 0)
    assert not run_goes_on("`" * (LONGEST_RUN + 1), 0)


def test_the_longest_suffix_that_may_become_a_word() -> None:
    """Only a real start of a word is held."""
    assert held_suffix("text </thi", ("</think>",)) == 5
    assert held_suffix("text", ("</think>",)) == 0
