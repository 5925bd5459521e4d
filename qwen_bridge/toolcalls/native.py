"""Calls that already arrive as events: the site's own `local_tool` and `tool_call` phases (toolcalls.md 7.4).

They are collected whole and judged like all others; one for a tool that the client did not declare is the platform's
own business and is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from qwen_bridge.events import ToolCallDelta, ToolCallEnded, ToolCallStarted
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.loose_json import Unreadable, read_json
from qwen_bridge.toolcalls.reading import Call, typed_call

type NativeEvent = ToolCallStarted | ToolCallDelta | ToolCallEnded


@dataclass(slots=True)
class _Open:
    name: str
    pieces: list[str] = field(default_factory=list)


class NativeCalls:
    """Events of structured calls in, whole calls out."""

    __slots__ = ("_catalogue", "_open")

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._open: dict[int, _Open] = {}

    def feed(self, event: NativeEvent) -> Call | None:
        """The call that `event` completes, if it does, and if its tool is declared."""
        match event:
            case ToolCallStarted(index, _, name):
                self._open[index] = _Open(name)
            case ToolCallDelta(index, arguments) if index in self._open:
                self._open[index].pieces.append(arguments)
            case ToolCallEnded(index) if index in self._open:
                return self._call(self._open.pop(index))
            case _:
                pass
        return None

    def close(self) -> list[Call]:
        """The calls that never ended."""
        left = [self._call(one, frozenset({Flaw.VALUE_OPEN})) for one in self._open.values()]
        self._open.clear()
        return [call for call in left if call is not None]

    def _call(self, one: _Open, flaws: frozenset[Flaw] = frozenset()) -> Call | None:
        named = self._catalogue.resolve(one.name)
        if named is None:
            return None
        text = "".join(one.pieces).strip() or "{}"
        try:
            read = read_json(text)
        except Unreadable:
            return Call(named.tool.name, named.tool, {}, flaws | {Flaw.MALFORMED})
        if not isinstance(read.value, dict) or text[read.end :].strip() or "json.missing_brace" in read.repairs:
            return Call(named.tool.name, named.tool, {}, flaws | {Flaw.MALFORMED})
        doubts = {*flaws, *({Flaw.REPEATED} if read.repeated_key else ())}
        return typed_call(one.name, named.tool, read.value, doubts, list(read.repairs))
