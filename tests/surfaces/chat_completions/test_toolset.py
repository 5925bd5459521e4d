from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.errors import InvalidRequest, UnsupportedParameter
from qwen_bridge.messages import ToolChoice, ToolSpec
from qwen_bridge.surfaces.chat_completions.toolset import read
from qwen_bridge.wire.openai_chat import WireChatRequest

LS = {"name": "ls", "description": "List.", "parameters": {"type": "object", "properties": {}}}
CAT = {"name": "cat"}
LS_SPEC = ToolSpec("ls", "List.", {"type": "object", "properties": {}})
CAT_SPEC = ToolSpec("cat", "", {})
TOOLS = [{"type": "function", "function": LS}, {"type": "function", "function": CAT}]


def asked(**fields: Any) -> tuple[tuple[ToolSpec, ...], ToolChoice]:
    return read(WireChatRequest.model_validate({"model": "m", "messages": [], **fields}))


@pytest.mark.parametrize("fields", [{}, {"tools": None}, {"tools": [], "tool_choice": None}, {"tool_choice": "auto"}])
def test_no_tools_is_no_tools(fields: dict[str, Any]) -> None:
    """Null, empty and missing are the same."""
    assert asked(**fields) == ((), ToolChoice("auto"))


def test_tools_are_read_in_order() -> None:
    """Name, description and schema come through; a function without them has an empty text and schema."""
    assert asked(tools=TOOLS)[0] == (LS_SPEC, CAT_SPEC)
    assert asked(tools=[{"function": {**LS, "strict": True}}])[0] == (LS_SPEC,)


def test_functions_are_tools() -> None:
    """The declarations of 2023 are read as tools."""
    assert asked(functions=[LS, CAT])[0] == (LS_SPEC, CAT_SPEC)


NAMED = {"type": "function", "function": {"name": "cat"}}


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, ToolChoice("auto")),
        ({"tool_choice": None}, ToolChoice("auto")),
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"tool_choice": NAMED}, ToolChoice("named", "cat")),
        ({"function_call": "none"}, ToolChoice("none")),
        ({"function_call": {"name": "cat"}}, ToolChoice("named", "cat")),
        ({"function_call": {"name": "cat"}, "tool_choice": "auto"}, ToolChoice("auto")),
    ],
)
def test_choice_is_read(fields: dict[str, Any], choice: ToolChoice) -> None:
    """Each form of choice has its mode, and the legacy form counts where there is no other."""
    assert asked(tools=TOOLS, **fields) == ((LS_SPEC, CAT_SPEC), choice)


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_leave_the_others_out(mode: Any) -> None:
    """Of the declared tools only the allowed ones remain, under the mode given with them."""
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [NAMED]}}
    assert asked(tools=TOOLS, tool_choice=allowed) == ((CAT_SPEC,), ToolChoice(mode))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOLS[0], {"type": "function"}]}, "tools[1].function"),
        ({"tools": [{"function": {"name": " "}}]}, "tools[0].function.name"),
        ({"functions": [{"name": ""}]}, "functions[0].name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"tools": TOOLS[:1], "tool_choice": NAMED}, "tool_choice.function.name"),
        ({"tools": TOOLS[:1], "function_call": {"name": "cat"}}, "function_call.name"),
        ({"tools": TOOLS, "function_call": "any"}, "function_call"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}}},
            "tool_choice.allowed_tools.mode",
        ),
    ],
)
def test_what_cannot_be_met_is_named(fields: dict[str, Any], param: str) -> None:
    """A tool without a name, and a choice no declared tool can meet, are refused by their path."""
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert refused.value.param == param
    assert param in refused.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "sh"}}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "sh"}}}, "tool_choice.type"),
    ],
)
def test_other_tools_than_functions_are_unsupported(fields: dict[str, Any], param: str) -> None:
    """What OpenAI would run or parse by itself is refused as such."""
    with pytest.raises(UnsupportedParameter) as refused:
        asked(**fields)
    assert refused.value.param == param


def test_schema_too_deep_is_refused() -> None:
    """A schema that no one could write again is refused by name."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(InvalidRequest) as refused:
        asked(tools=[{"function": {"name": "ls", "parameters": deep}}])
    assert refused.value.param == "tools[0].function.parameters"
