from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.events import ToolCallDelta, ToolCallEnded, ToolCallStarted
from qwen_bridge.qwen.native_calls import MOST_OPEN, NativeCalls


def local(*calls: tuple[str, Any], server: str = "client") -> dict[str, Any]:
    told = [{"tool_name": name, "params": params} for name, params in calls]
    return {"phase": "local_tool", "status": "finished", "extra": {"local_mcp": {server: told}}}


def piece(content: str = "", *, key: str = "1", **more: Any) -> dict[str, Any]:
    return {"content": content, "status": "typing", "extra": {"tool_call_id": key}, **more}


def read(*deltas: dict[str, Any], phase: str = "tool_call") -> list[tuple[str, Any]]:
    """Names and arguments of the calls, whose events must be whole and in their order."""
    calls = NativeCalls()
    events = [event for delta in deltas for event in calls.take(phase, delta)]
    found = []
    for index, (start, text, end) in enumerate(zip(events[::3], events[1::3], events[2::3], strict=True)):
        assert isinstance(start, ToolCallStarted)
        assert isinstance(text, ToolCallDelta)
        assert (start.index, text.index, end) == (index, index, ToolCallEnded(index))
        found.append((start.name, json.loads(text.arguments)))
    return found


def test_a_call_on_the_clients_channel_is_whole_at_once() -> None:
    """Typed JSON stays as it is; several calls come in their order."""
    deep = {"path": "a", "lines": [1, 2], "all": True, "note": "é\n"}
    assert read(local(("read", deep), ("list", {})), phase="local_tool") == [("read", deep), ("list", {})]


def test_what_is_repeated_is_one_call() -> None:
    """A frame may say again what was said, and add to it."""
    one, two = ("read", {"path": "a"}), ("read", {"path": "b"})
    assert read(local(one), local(one), local(one, two), phase="local_tool") == [one, two]


def test_a_call_in_pieces_is_told_when_it_is_finished() -> None:
    """Arguments may come in fragments, grow in `function_call`, or stand with the name in the content."""
    fragments = [piece('{"pa', name="read"), piece('th":"a"}'), piece(status="finished")]
    growing = [
        piece(function_call={"name": "read", "arguments": '{"pa'}),
        piece(function_call={"name": "read", "arguments": '{"path":"a"}'}, status="finished"),
    ]
    whole = [piece('{"name":"read","arguments":{"path":"a"}}', status="finished")]
    for deltas in (fragments, growing, whole):
        assert read(*deltas) == [("read", {"path": "a"})]
        assert read(*deltas[:-1]) == []


def test_calls_in_pieces_are_told_apart_by_their_id() -> None:
    """They may come side by side."""
    told = read(
        piece('{"n":1', name="a", key="1"), piece('{"n":2', name="b", key="2"),
        piece("}", key="2", status="finished"), piece("}", key="1", status="finished"),
    )  # fmt: skip
    assert told == [("b", {"n": 2}), ("a", {"n": 1})]


@pytest.mark.parametrize(
    "delta",
    [
        {}, {"extra": None}, {"extra": {"local_mcp": []}}, {"extra": {"local_mcp": {"s": {}}}},
        {"extra": {"local_mcp": {"s": [1, {}, {"tool_name": 3}]}}}, {"content": "nonsense", "status": "finished"},
        {"content": 3, "status": "finished", "function_call": 4},
    ],
)  # fmt: skip
@pytest.mark.parametrize("phase", ["local_tool", "tool_call"])
def test_other_shapes_are_no_calls(delta: dict[str, Any], phase: str) -> None:
    """Nothing is raised, and nothing invented."""
    assert read(delta, phase=phase) == []


def test_arguments_without_end_are_dropped() -> None:
    """What is kept of calls in pieces is bounded."""
    assert read(piece("x" * MOST_OPEN, name="a"), piece("x"), piece(status="finished")) == []
