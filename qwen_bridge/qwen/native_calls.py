"""Calls that arrive as frames of their own and not as text: the phases `local_tool` and `tool_call`.

`local_tool` is the answer to tools that a message declared (`feature_config.local_mcp`): typed JSON in
`extra.local_mcp`, `{server: [{tool_name, params}]}` (toolcalls.md §7.4, one source). `tool_call` is the site's own way
to its own tools: an id in `extra.tool_call_id`, the arguments in pieces, or growing in `function_call` as for
`web_search` (capture 08). Whose tool it is, is not known here: whoever reads the events drops what nobody declared.

A call becomes events when it is whole. Frames may repeat what they have said, as `thinking_summary` does, so the very
same call is told once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from qwen_bridge.events import StreamEvent, ToolCallDelta, ToolCallEnded, ToolCallStarted

PHASES: Final = frozenset({"local_tool", "tool_call"})

MOST_OPEN: Final = 1024 * 1024
"""Characters of arguments that are kept of calls in pieces; what goes on beyond is dropped with its call."""


class NativeCalls:
    """Deltas of these phases in, events of whole calls out. Never raises on input."""

    __slots__ = ("_count", "_open", "_seen", "_size")

    def __init__(self) -> None:
        self._count = 0
        self._seen: set[bytes] = set()
        self._open: dict[str, tuple[str, str]] = {}  # id → name and arguments so far
        self._size = 0

    def take(self, phase: str, delta: dict[str, Any]) -> list[StreamEvent]:
        """The calls that a delta completes."""
        if phase == "local_tool":
            return [event for name, params in _local(delta) for event in self._whole(name, params)]
        return self._piece(delta)

    def _piece(self, delta: dict[str, Any]) -> list[StreamEvent]:
        extra, called = delta.get("extra"), delta.get("function_call")
        key = _word(extra, "tool_call_id") or _word(delta, "function_id")
        name, arguments = self._open.get(key, ("", ""))
        name = _word(called, "name") or _word(delta, "name") or name
        grown = _word(called, "arguments") or arguments + _word(delta, "content")
        self._size += max(0, len(grown) - len(arguments))
        if self._size > MOST_OPEN:
            self._open.pop(key, None)
            return []
        if delta.get("status") != "finished":
            self._open[key] = (name, grown)
            return []
        self._open.pop(key, None)
        if name:
            return self._whole(name, grown)
        told = _object(grown)
        return self._whole(_word(told, "name"), told.get("arguments", {})) if _word(told, "name") else []

    def _whole(self, name: str, arguments: object) -> list[StreamEvent]:
        text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
        same = orjson.dumps([name.encode("utf-8", "replace").decode(), text.encode("utf-8", "replace").decode()])
        if same in self._seen:
            return []
        self._seen.add(same)
        index, self._count = self._count, self._count + 1
        # The reader of calls gives ids that a client can echo.
        return [ToolCallStarted(index, f"native_{index}", name), ToolCallDelta(index, text), ToolCallEnded(index)]


def _local(delta: dict[str, Any]) -> Iterator[tuple[str, object]]:
    extra = delta.get("extra")
    servers = extra.get("local_mcp") if isinstance(extra, dict) else None
    for calls in servers.values() if isinstance(servers, dict) else ():
        for call in calls if isinstance(calls, list) else ():
            if name := _word(call, "tool_name"):
                yield name, call.get("params") or {}


def _word(fields: object, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if isinstance(value, str) else ""


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
