"""Changed instructions, told by their changes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation.changes import MOST_LINES, changes

PROMPT = "\n".join(f"Rule {number}: do what rule {number} says." for number in range(200))


def applied(old: str, description: str) -> str:
    """What a reader who follows the description ends up with."""
    lines, result, position = old.split("\n"), list[str](), 0
    # Every line of the text stands behind a sign or behind a place, so none can be taken for one.
    for line in description.split("\n"):
        found = re.match(r"after line (\d+)", line)
        if found:
            result += lines[position : int(found.group(1))]
            position = int(found.group(1))
        elif line.startswith("- "):
            assert lines[position] == line[2:]
            position += 1
        else:
            assert line.startswith("+ ")
            result.append(line[2:])
    return "\n".join(result + lines[position:])


def test_a_clock_costs_a_line_and_not_the_prompt() -> None:
    """One changed line is told in a few dozen characters, with the line before it as its place."""
    old, new = f"{PROMPT}\nIt is 10:00.", f"{PROMPT}\nIt is 10:05."
    told = changes(old, new)
    assert told is not None
    assert len(told) < 120
    assert "- It is 10:00.\n+ It is 10:05." in told
    assert "Rule 199" in told


def test_another_prompt_is_sent_whole() -> None:
    """Where most of it is new, a list of changes would be longer than the text."""
    assert changes(PROMPT, "You are a title generator.") is None
    assert changes("", "Be brief.") is None


def test_enormous_prompts_are_not_compared() -> None:
    """The comparison must not hold up the event loop."""
    long = "\n".join(str(number) for number in range(MOST_LINES))
    assert changes(long, f"{long}\nx") is None


lines = st.lists(st.sampled_from(["a", "b", "", " ", "after line 3", "- x", "+ y", "ü\r"]), min_size=1, max_size=12)


@given(lines, lines)
def test_the_description_is_exact(old: list[str], new: list[str]) -> None:
    """Whatever the lines are, who applies the description to the old text gets the new one."""
    padding = "\n".join(f"filler {number} that makes a description worth while" for number in range(40))
    before, after = "\n".join([*old, padding]), "\n".join([*new, padding])
    told = changes(before, after)
    assert told is not None
    if before != after:
        assert applied(before, told) == after
