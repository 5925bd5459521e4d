"""What a JSON call that was read may mean besides: marks that lie where a bracket, a comma or a quote is amiss.

JSON that lacks nothing has one reading. Where something was mended, the same text may be what another slip left of
another call: a brace too early makes arguments neighbours of `arguments`, one too late makes them members of the last
object, and a quote in the wrong place takes a comma or a brace into its string.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.loose_json import JsonValue

_MARKS = frozenset(',:{}[]"\n')


def doubts(read: JsonValue, members: Mapping[str, Any] | None, tool: Tool, *, headed: bool = False) -> set[Flaw]:
    """`AMBIGUOUS` where the arguments `members` of `tool`, read from `read`, may be others.

    `headed` says that they stood alone behind a head: braces around them, if there were any, were not read.
    """
    if not members:
        return set()
    doubtful = any(not key.strip() or set(key) & _MARKS for key in members)
    if read.missing:
        doubtful = doubtful or "json.unquoted_value" in read.repairs or _ends_in(members, "}]")
        doubtful = doubtful or any(_is_parameter(key, tool) for key in _last_inner_keys(members))
    if "json.unescaped_quote" in read.repairs:
        doubtful = doubtful or not tool.required <= {tool.key(key) or key for key in members}
        free = tool.properties.keys() - members.keys()
        doubtful = doubtful or any(key in text for key in free for text in _texts(members) if len(key) > 3)
    if headed:
        doubtful = doubtful or any(text.count("}") > text.count("{") for text in _texts(members))
    if "json.missing_comma" in read.repairs:
        doubtful = doubtful or _ends_in(members, ",:")
    return {Flaw.AMBIGUOUS} if doubtful else set()


def beside(keys: tuple[str, ...], tool: Tool) -> set[Flaw]:
    """What follows from members that stand beside the name and the arguments of a call."""
    if any(_is_parameter(key, tool) for key in keys):
        return {Flaw.AMBIGUOUS}
    return {Flaw.KEY_UNKNOWN} if keys else set()


def flat(members: Mapping[str, Any], tool: Tool) -> set[Flaw]:
    """Arguments that stand beside the name are some only where the tool has one of them: else a key was misspelt."""
    known = any(tool.key(key) is not None for key in members)
    return set() if known or not members else {Flaw.AMBIGUOUS}


def _is_parameter(key: str, tool: Tool) -> bool:
    return not tool.properties or tool.key(key) is not None


def _ends_in(members: Mapping[str, Any], marks: str) -> bool:
    return any(text.rstrip()[-1:] in marks for text in _texts(members) if text.rstrip())


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _last_inner_keys(members: Mapping[str, Any]) -> Iterator[str]:
    """Keys of objects at the very end of the arguments."""
    last = list(members.values())[-1]
    while isinstance(last, Mapping | list) and last:
        if isinstance(last, Mapping):
            yield from last
        last = list(last.values())[-1] if isinstance(last, Mapping) else last[-1]
