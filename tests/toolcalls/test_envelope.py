from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.toolcalls.envelope import calls_in, written
from tests.toolcalls.bench import catalogue

ARGS = {"command": "ls"}
CALL = {"name": "shell", "arguments": ARGS}


@pytest.mark.parametrize(
    "value",
    [
        CALL,
        [CALL],
        {"tool_calls": [CALL]},
        {"tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
        {"type": "function", "function": CALL},
        {"tool": "shell", "args": ARGS},
        {"tool_name": "shell", "input": ARGS},
        {"name": "shell", "arguments": json.dumps(ARGS)},
    ],
)
def test_every_envelope_holds_the_call(value: Any) -> None:
    """Lists, envelopes, other keys and arguments as text all lead to one call."""
    entries = calls_in(value, catalogue(), wrapped=False)
    assert entries is not None
    assert [(entry.name, entry.arguments) for entry in entries] == [("shell", ARGS)]


@pytest.mark.parametrize(
    "value",
    [
        {"name": "shell"},
        {"name": 5, "arguments": {}},
        {"name": "x", "version": 1},
        [CALL, 1],
        [],
        "text",
        5,
        {"shell": ARGS},
    ],
)
def test_json_without_a_name_and_arguments_is_no_call(value: Any) -> None:
    """Outside a wrapper both keys are needed."""
    assert not calls_in(value, catalogue(), wrapped=False)


@pytest.mark.parametrize(
    ("value", "arguments"),
    [
        ({"name": "shell", "command": "ls"}, ARGS),
        ({"shell": ARGS}, ARGS),
        ({"name": "shell"}, {}),
        (json.dumps(CALL), ARGS),
    ],
)
def test_a_wrapper_makes_more_forms_calls(value: Any, arguments: Any) -> None:
    """Inside one, flat arguments, the name as a key, no arguments and double encoding are read."""
    entries = calls_in(value, catalogue(), wrapped=True)
    assert entries is not None
    assert [(entry.name, entry.arguments) for entry in entries] == [("shell", arguments)]


@pytest.mark.parametrize("arguments", ["[1]", "{broken", [1], 5, '{"a": 1'])
def test_arguments_that_cannot_be_read_are_none(arguments: Any) -> None:
    """A call with them is known, its arguments are not."""
    entries = calls_in({"name": "shell", "arguments": arguments}, catalogue(), wrapped=True)
    assert entries is not None
    assert entries[0].arguments is None


def test_lone_surrogates_survive_as_escapes() -> None:
    """Arguments are written so that any surface can encode them."""
    assert written({"a": "ü"}) == '{"a": "ü"}'
    assert json.loads(written({"a": "\ud800"}).encode()) == {"a": "\ud800"}
