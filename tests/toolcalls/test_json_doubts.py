from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.json_doubts import beside, doubts, flat
from qwen_bridge.toolcalls.loose_json import JsonValue
from tests.toolcalls.bench import Answer, catalogue

SHELL = catalogue().tools["shell"]
PUT = catalogue().tools["put"]


@pytest.mark.parametrize(
    ("members", "repairs", "missing"),
    [
        ({"command": "ls}"}, (), 1),
        ({"command": "x"}, ("json.unquoted_value",), 1),
        ({"command": "ls", "env": {"A": "1", "cwd": "/"}}, (), 1),
        ({"command": "ls,", "cwd": "/"}, ("json.missing_comma",), 0),
        ({"command": 'a", timeout "5'}, ("json.unescaped_quote",), 0),
        ({"cwd": "a"}, ("json.unescaped_quote",), 0),
        ({"": "ls"}, (), 0),
        ({" ,command": "ls"}, (), 0),
    ],
)
def test_a_mended_text_that_another_slip_explains_is_doubtful(
    members: dict[str, Any], repairs: tuple[str, ...], missing: int
) -> None:
    """A brace or a comma in a string, an argument in the wrong object, a key that is no word."""
    assert doubts(JsonValue({}, 0, repairs, missing=missing), members, SHELL) == {Flaw.AMBIGUOUS}


def test_a_text_that_lacks_nothing_has_one_reading() -> None:
    """The same values in good JSON are values, and one missing brace behind plain ones is the last."""
    read = JsonValue({}, 0)
    assert doubts(read, {"command": "ls}", "env": {"cwd": "/"}}, SHELL) == set()
    assert doubts(JsonValue({}, 0, missing=1), {"command": "ls", "env": {"A": "1"}}, SHELL) == set()
    assert doubts(read, {"command": "${A}"}, SHELL, headed=True) == set()
    assert doubts(read, {"command": "ls}"}, SHELL, headed=True) == {Flaw.AMBIGUOUS}


def test_what_stands_beside_the_arguments_may_be_one_of_them() -> None:
    """A parameter there is doubtful; another word is a key that the tool does not have."""
    assert beside(("cwd",), SHELL) == {Flaw.AMBIGUOUS}
    assert beside(("dry_run",), SHELL) == {Flaw.KEY_UNKNOWN}
    assert beside((), SHELL) == set()
    assert Answer('{"name": "shell", "arguments": {"command": "ls"}, "cwd": "/srv"}').calls == []


def test_flat_arguments_need_a_parameter() -> None:
    """A misspelt `arguments` is not an argument of its own."""
    assert flat({"path": "a"}, PUT) == flat({}, PUT) == set()
    assert flat({"argumnts": {}}, PUT) == {Flaw.AMBIGUOUS}
    assert Answer('<tool_call>{"name": "ping", "argumnts": {}}</tool_call>').calls == []
