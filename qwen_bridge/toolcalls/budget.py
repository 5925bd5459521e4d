"""The list of tools within a number of characters: descriptions give way first, names never.

In stages (knowledge/toolcalls.md 7.2): whole; descriptions shortened; descriptions of parameters dropped; nested
details dropped; optional parameters dropped. The first stage that fits is taken; if none fits, the last one stands,
because a tool that is not named cannot be called.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_bridge.messages import ToolSpec

BUDGET = 24_000
"""Characters for all tools together."""

SHORT = 160
"""Characters of a shortened description."""

SHORTEST = 60


def fitted(tools: Sequence[ToolSpec], budget: int = BUDGET) -> list[str]:
    """One JSON line per tool, in their order."""
    lines: list[str] = []
    for stage in STAGES:
        lines = [_line(stage(tool)) for tool in tools]
        if sum(len(line) + 1 for line in lines) <= budget:
            break
    return lines


def _line(tool: ToolSpec) -> str:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if not tool.description:
        del function["description"]
    return json.dumps({"type": "function", "function": function}, ensure_ascii=False, separators=(",", ":"))


def _whole(tool: ToolSpec) -> ToolSpec:
    return tool


def _short(tool: ToolSpec) -> ToolSpec:
    return ToolSpec(tool.name, _shortened(tool.description, SHORT), _descriptions(tool.parameters, SHORT))


def _without_nested_descriptions(tool: ToolSpec) -> ToolSpec:
    return ToolSpec(tool.name, _shortened(tool.description, SHORT), _descriptions(tool.parameters, 0))


def _flat(tool: ToolSpec) -> ToolSpec:
    properties = _properties(tool)
    flat = {key: {"type": schema["type"]} if "type" in schema else {} for key, schema in properties.items()}
    return ToolSpec(tool.name, _shortened(tool.description, SHORTEST), _schema(tool, flat))


def _required_only(tool: ToolSpec) -> ToolSpec:
    flat = _flat(tool)
    required = set(tool.parameters.get("required") or ())
    kept = {key: schema for key, schema in _properties(flat).items() if key in required}
    return ToolSpec(tool.name, flat.description, _schema(tool, kept))


STAGES: tuple[Callable[[ToolSpec], ToolSpec], ...] = (
    _whole,
    _short,
    _without_nested_descriptions,
    _flat,
    _required_only,
)


def _properties(tool: ToolSpec) -> dict[str, Mapping[str, Any]]:
    properties = tool.parameters.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {key: schema for key, schema in properties.items() if isinstance(schema, Mapping)}


def _schema(tool: ToolSpec, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required := tool.parameters.get("required"):
        schema["required"] = required
    return schema


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _descriptions(value: Any, limit: int, *, keys_are_names: bool = False) -> Any:
    """A schema with every description cut to `limit`, or without them for 0. A parameter may be named `description`."""
    if isinstance(value, list | tuple):
        return [_descriptions(one, limit) for one in value]
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for key, one in value.items():
        if key == "description" and isinstance(one, str) and not keys_are_names:
            if limit:
                kept[key] = _shortened(one, limit)
        else:
            kept[key] = _descriptions(one, limit, keys_are_names=key == "properties" and not keys_are_names)
    return kept
