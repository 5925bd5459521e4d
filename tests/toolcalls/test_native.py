from __future__ import annotations

from qwen_bridge.events import ToolCallDelta, ToolCallEnded, ToolCallStarted
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.native import NativeCalls
from tests.toolcalls.bench import catalogue


def test_a_native_call_is_collected_whole() -> None:
    """Pieces of arguments give one call at its end, typed by the schema."""
    native = NativeCalls(catalogue())
    assert native.feed(ToolCallStarted(0, "x", "shell")) is None
    assert native.feed(ToolCallDelta(0, '{"command": "ls", ')) is None
    assert native.feed(ToolCallDelta(0, '"timeout": "5"}')) is None
    call = native.feed(ToolCallEnded(0))
    assert call is not None
    assert (call.name, call.arguments, call.flaws) == ("shell", {"command": "ls", "timeout": 5}, frozenset())


def test_a_tool_of_the_platform_is_dropped() -> None:
    """What the client did not declare is not its business."""
    native = NativeCalls(catalogue())
    native.feed(ToolCallStarted(0, "x", "web_search"))
    assert native.feed(ToolCallEnded(0)) is None


def test_an_open_or_broken_call_is_flawed() -> None:
    """Arguments that end early or cannot be read do not run."""
    native = NativeCalls(catalogue())
    native.feed(ToolCallStarted(0, "x", "shell"))
    native.feed(ToolCallDelta(0, '{"command": "l'))
    (call,) = native.close()
    assert call.flaws == {Flaw.VALUE_OPEN, Flaw.MALFORMED}
    assert native.close() == []


def test_strangers_are_ignored() -> None:
    """Pieces of a call that never began are nothing."""
    native = NativeCalls(catalogue())
    assert native.feed(ToolCallDelta(7, "{}")) is None
    assert native.feed(ToolCallEnded(7)) is None


def test_a_native_call_is_held_to_the_schema() -> None:
    """A key given twice, and one that the tool does not have, are flaws here too."""
    native = NativeCalls(catalogue())
    native.feed(ToolCallStarted(0, "x", "shell"))
    native.feed(ToolCallDelta(0, '{"command": "a", "command": "b", "dry_run": true}'))
    call = native.feed(ToolCallEnded(0))
    assert call is not None
    assert call.flaws == {Flaw.REPEATED, Flaw.KEY_UNKNOWN}
