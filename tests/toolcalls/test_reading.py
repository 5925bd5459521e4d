from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening
from qwen_bridge.toolcalls.reading import checked_call, reading_of, typed_call
from tests.toolcalls.bench import catalogue

PUT = catalogue().tools["put"]


def test_a_missing_required_argument_is_told() -> None:
    """It is told as missing, or as misread where unknown keys stand in its place."""
    assert checked_call(PUT, {"path": "a"}, set(), []).flaws == {Flaw.INCOMPLETE}
    assert checked_call(PUT, {"path": "a", "text": "b"}, set(), []).flaws == {Flaw.MALFORMED}


def test_keys_that_a_schema_forbids_are_dropped() -> None:
    """Only where it says so."""
    closed = catalogue([{"name": "t", "parameters": {"properties": {"a": {}}, "additionalProperties": False}}]).tools[
        "t"
    ]
    call = checked_call(closed, {"a": "1", "b": "2"}, set(), [])
    assert call.arguments == {"a": "1"}
    assert call.repairs == ("key.forbidden_dropped",)
    kept = checked_call(PUT, {"path": "a", "content": "b", "c": "d"}, set(), [])
    assert kept.arguments["c"] == "d"
    assert kept.flaws == {Flaw.KEY_UNKNOWN}


@pytest.mark.parametrize("key", ["limt", "limmit", "lxmit", "limitlimit"])
def test_a_key_that_is_nearly_one_not_given_is_told(key: str) -> None:
    """Of a harmless tool too: it would run without what was meant. Beside the right one it is just unknown."""
    read = catalogue().tools["read_file"]
    assert checked_call(read, {"path": "a", key: 3}, set(), []).flaws == {Flaw.KEY_UNKNOWN, Flaw.KEY_MISSPELT}
    assert checked_call(read, {"path": "a", "limit": 3, key: 3}, set(), []).flaws == {Flaw.KEY_UNKNOWN}
    assert Flaw.KEY_MISSPELT in checked_call(catalogue().tools["shell"], {"command": "ls", "cd": "/"}, set(), []).flaws
    assert checked_call(read, {"path": "a", "encoding": 3}, set(), []).flaws == {Flaw.KEY_UNKNOWN}


def test_a_call_without_tool_or_arguments_keeps_its_flaws() -> None:
    """Nothing is filled in."""
    assert typed_call("x", None, {"a": 1}, {Flaw.NAMELESS}, []).arguments == {}
    assert Flaw.MALFORMED in typed_call("put", PUT, None, set(), []).flaws


def test_a_reading_takes_half_a_tag_at_the_end() -> None:
    """A torn closer belongs to the call and is not shown."""
    reading = reading_of("call</func", (), Closing(4), Opening(0), "mixed")
    assert (reading.end, reading.last) == (10, True)


def test_a_settled_flaw_leaves_a_reading_whole() -> None:
    """More text cannot declare a tool."""
    call = typed_call("x", None, {}, {Flaw.NAMELESS}, [])
    open_call = typed_call("x", None, {}, {Flaw.CLOSER_MISSING}, [])
    assert reading_of("", (call,), Closing(0), Opening(0), "mixed").whole
    assert not reading_of("", (open_call,), Closing(0), Opening(0), "mixed").whole
