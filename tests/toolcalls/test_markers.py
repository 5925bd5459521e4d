from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.markers import LONGEST_OPENER, Found, Markers
from tests.toolcalls.bench import bare, catalogue

MARKERS = Markers(catalogue())

CALLS = [
    "<tool_call>\n{",
    "<tool_call><function",
    "<function=shell>\n<parameter=command>",
    "<shell>\n<command>",
    "<ping/>",
    '<invoke name="shell">\n<parameter name="command">',
    "<name>shell</name>\n{",
    "<parameter=shell>\n<parameter=command>",
    '{"name": "shell", "arguments"',
    '[{"name": "shell", "arguments"',
    '{"tool_calls": [',
    "function=shell>\n<parameter=command>",
    "<|channel|>commentary to=functions.shell<|message|>{",
    '<tool_call>{"',
    '<function_calls>\ninvoke name="shell">\n<parameter name="command">',
    "<tool_call>\nfunction=shell>\n<parameter",
    '<｜NS｜invoke name="shell">\n<｜NS｜parameter name="command">',
]


@pytest.mark.parametrize("text", CALLS)
def test_an_opener_with_evidence_is_a_call(text: str) -> None:
    """The opener and the start of what must follow it are enough."""
    assert MARKERS.at(f"{text} and more to come", 0, final=False) is Found.CALL


@pytest.mark.parametrize("text", CALLS)
def test_a_start_of_an_opener_is_never_refused(text: str) -> None:
    """Every start of it waits, and the decision does not change when more text is there."""
    decided: set[Found] = set()
    for stop in range(1, len(text) + 1):
        found = MARKERS.at(text[:stop], 0, final=False)
        assert found is not Found.NOTHING, text[:stop]
        assert not (decided and found is Found.PARTIAL)
        decided |= {found} - {Found.PARTIAL}


@pytest.mark.parametrize(
    "text",
    [
        "<div> x",
        "< 5 and",
        "<tool_call> tags are",
        "<tool_call> name the thing, then",
        "<tool_call>\ncall the thing\n",
        "<tool_callback>",
        "<shell> is a tool",
        "<function of two variables> x",
        "<function=gone> is",
        '{"name": "other", "arguments": {}}',
        '{"name": "shell"}',
        "{something}",
        "[1, 2]",
        "[see here](x)",
        "for me",
        "<parameter=command> is the",
        "<name>Ann</name>\n{",
    ],
)
def test_what_only_looks_alike_is_nothing(text: str) -> None:
    """Other tags, other JSON and openers with prose behind them are text."""
    assert (
        MARKERS.at(f"{text} and more to come, for as long as it takes to be sure of it", 0, final=False)
        is Found.NOTHING
    )


@pytest.mark.parametrize("text", ["<tool_call", "<write_fil"])
def test_half_an_opener_at_the_end_is_told(text: str) -> None:
    """It is a cut call, and not shown; a shorter piece is text."""
    assert MARKERS.at(text, 0, final=True) is Found.HALF
    assert MARKERS.at(text[:4], 0, final=True) is Found.NOTHING


def test_nothing_waits_longer_than_the_longest_opener() -> None:
    """A tag that never ends is let through."""
    assert MARKERS.at("<function " + "x" * LONGEST_OPENER, 0, final=False) is Found.NOTHING
    assert MARKERS.at("<tool_call>" + " " * LONGEST_OPENER, 0, final=False) is not Found.PARTIAL


def test_a_call_in_json_is_seen_whatever_its_first_key() -> None:
    """Name first, arguments first, or an id."""
    assert MARKERS.at(bare("shell", {"command": "x"}), 0, final=True) is Found.CALL
    assert MARKERS.at('{"arguments": {"command": "x"}, "name": "shell"}', 0, final=True) is Found.CALL
    assert MARKERS.at('{"id": "1", "type": "function"', 0, final=True) is Found.CALL
