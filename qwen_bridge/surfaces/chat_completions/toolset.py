"""The tools of a request and the choice among them → `ToolSpec`s and a `ToolChoice`.

The legacy `functions` and `function_call` are read as tools. Their answer comes as `tool_calls` all the same: no
client seen in the last two years asks the old way, and OpenAI has deprecated it since November 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from qwen_bridge.errors import InvalidRequest, UnsupportedParameter
from qwen_bridge.messages import ToolChoice, ToolSpec
from qwen_bridge.surfaces.json_request import dump
from qwen_bridge.wire.openai_chat import (
    WireAllowedTools,
    WireChatRequest,
    WireFunction,
    WireFunctionName,
    WireTool,
    WireToolChoice,
)

_AUTO = ToolChoice()


def read(wire: WireChatRequest) -> tuple[tuple[ToolSpec, ...], ToolChoice]:
    """Read what may be called and what must be.

    `allowed_tools` leaves only the tools it names. Raises `UnsupportedParameter` for tools that are not functions, and
    `InvalidRequest` for a choice that no declared tool can meet.
    """
    tools = _declared(wire)
    if wire.tool_choice is None:
        return tools, _legacy_choice(wire.function_call, tools)
    match wire.tool_choice:
        case str() as word:
            return tools, _mode(word, tools, "tool_choice")
        case WireToolChoice(type="function", function=WireFunctionName(name=name)):
            return tools, _named(name, tools, "tool_choice.function.name")
        case WireToolChoice(type="allowed_tools", allowed_tools=WireAllowedTools() as allowed):
            return _allowed(allowed, tools)
        case WireToolChoice(type="custom"):
            raise UnsupportedParameter("Custom tools are not served; declare a function.", param="tool_choice.type")
        case _:
            raise InvalidRequest(
                '`tool_choice` must be "auto", "none", "required" or {"type": "function", "function": {"name": …}}.',
                param="tool_choice",
            )


def _declared(wire: WireChatRequest) -> tuple[ToolSpec, ...]:
    tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(wire.tools or ())]
    legacy = [_function(function, f"functions[{index}]") for index, function in enumerate(wire.functions or ())]
    return (*tools, *legacy)


def _tool(wire: WireTool, at: str) -> ToolSpec:
    if wire.type not in (None, "function"):
        raise UnsupportedParameter(
            f"`{at}.type` must be function: a Qwen web chat runs no other tools for the client.", param=f"{at}.type"
        )
    if wire.function is None:
        raise InvalidRequest(f"The field `{at}.function` is required and is missing.", param=f"{at}.function")
    return _function(wire.function, f"{at}.function")


def _function(wire: WireFunction, at: str) -> ToolSpec:
    if not wire.name.strip():
        raise InvalidRequest(f"`{at}.name` must not be empty.", param=f"{at}.name")
    parameters = wire.parameters or {}
    dump(parameters, f"{at}.parameters")
    return ToolSpec(wire.name, wire.description or "", parameters)


def _mode(word: str, tools: Sequence[ToolSpec], param: str) -> ToolChoice:
    match word:
        case "auto":
            return _AUTO
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice(_required(tools, param))
        case _:
            raise InvalidRequest(f"`{param}` must be auto, none, required or a function.", param=param)


def _required(tools: Sequence[ToolSpec], param: str) -> Literal["required"]:
    if not tools:
        raise InvalidRequest(f"`{param}` asks for a tool call, but `tools` is empty.", param=param)
    return "required"


def _named(name: str, tools: Sequence[ToolSpec], param: str) -> ToolChoice:
    if all(tool.name != name for tool in tools):
        raise InvalidRequest(f"`{param}` names a function that is not in `tools`.", param=param)
    return ToolChoice("named", name)


def _allowed(wire: WireAllowedTools, tools: Sequence[ToolSpec]) -> tuple[tuple[ToolSpec, ...], ToolChoice]:
    names = {allowed.function.name for allowed in wire.tools}
    left = tuple(tool for tool in tools if tool.name in names)
    return left, _mode(wire.mode, left, "tool_choice.allowed_tools.mode")


def _legacy_choice(wire: str | WireFunctionName | None, tools: Sequence[ToolSpec]) -> ToolChoice:
    match wire:
        case None:
            return _AUTO
        case WireFunctionName(name=name):
            return _named(name, tools, "function_call.name")
        case word:
            return _mode(word, tools, "function_call")
