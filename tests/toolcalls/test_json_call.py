from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.grammar import read_call
from tests.toolcalls.bench import bare, catalogue

RUN = bare("shell", {"command": "ls"})


def flaws(text: str) -> frozenset[Flaw]:
    reading = read_call(text, catalogue())
    assert reading is not None
    return reading.calls[0].flaws


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<tool_call>{RUN}</tool_call>", frozenset()),
        (RUN, frozenset()),
        (f"<tool_call>{RUN}", {Flaw.WRAPPER_OPEN}),
        (f"<tool_call>{RUN[:-1]}</tool_call>", frozenset()),
        (RUN[:-1], {Flaw.CLOSER_MISSING}),
        (RUN[:-2], {Flaw.CLOSER_MISSING, Flaw.VALUE_OPEN}),
        (f"<tool_call>{RUN[:-2]}</tool_call>", {Flaw.CLOSER_MISSING}),
        (f'<tool_call>{RUN}" and"}}}}</tool_call>', {Flaw.WRAPPER_OPEN, Flaw.AMBIGUOUS}),
        ('<tool_call>{"name": "shell", "arguments": {"command": "a", "command": "b"}}</tool_call>', {Flaw.REPEATED}),
        ('<tool_call>{"arguments": {"x": 1}}</tool_call>', {Flaw.NAMELESS}),
        ('<tool_call>{"name": "gone", "arguments": {}}</tool_call>', {Flaw.UNDECLARED}),
        ('<tool_call>{"name": "shell", "arguments": "ls"}</tool_call>', {Flaw.MALFORMED}),
        ('<tool_call>{"name": "shell", "arguments": {}}</tool_call>', {Flaw.INCOMPLETE}),
    ],
)
def test_the_flaws_of_a_json_call(text: str, expected: frozenset[Flaw]) -> None:
    """What is missing, open, doubtful or unknown is told apart."""
    assert flaws(text) == expected


def test_a_lone_string_is_the_one_argument_of_a_harmless_tool() -> None:
    """It can mean nothing else, and a destructive tool gets nothing by inference."""
    reading = read_call('<tool_call>{"name": "read_file", "arguments": "a.py"}</tool_call>', catalogue())
    assert reading is not None
    assert reading.calls[0].arguments == {"path": "a.py"}


def test_a_call_with_words_on_its_line_is_a_quotation() -> None:
    """Without a wrapper a call stands alone."""
    assert read_call(f"{RUN} was it", catalogue()) is None
