"""What reading a call gives: the calls, their arguments, and what was wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_bridge.toolcalls import arguments as typing_of
from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening, nothing_follows
from qwen_bridge.toolcalls.likeness import alike, alike_key

SETTLED = frozenset(
    (
        Flaw.UNDECLARED,
        Flaw.NAMELESS,
        Flaw.INCOMPLETE,
        Flaw.TWO_VALUES,
        Flaw.NULL_OR_TEXT,
        Flaw.KEY_UNKNOWN,
        Flaw.KEY_MISSPELT,
    )
)
"""Flaws that no further text can mend."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call as read. `name` is the declared name, or the written one where no such tool is declared."""

    name: str
    tool: Tool | None
    arguments: Mapping[str, Any]
    flaws: frozenset[Flaw] = frozenset()
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The calls that begin at the text's start, where they end, and in which dialect they were written.

    `last` says that nothing but blanks, or half a tag, follows; `fenced` that they stood in a code fence of their own.
    """

    calls: tuple[Call, ...]
    end: int
    dialect: str
    last: bool
    fenced: bool = False
    namespaced: bool = False

    @property
    def whole(self) -> bool:
        """Whether more text could not change what was read: the structure is closed and has no flaw."""
        return all(call.flaws <= SETTLED for call in self.calls)


def typed_call(
    name: str, tool: Tool | None, members: Mapping[str, Any] | None, flaws: set[Flaw], repairs: list[str]
) -> Call:
    """A call with JSON arguments, typed by the schema."""
    if tool is None or members is None:
        missing = flaws | ({Flaw.MALFORMED} if members is None else set())
        return Call(tool.name if tool else name, tool, {}, frozenset(missing), tuple(repairs))
    arguments, typed, doubts = typing_of.from_json(tool, members)
    return checked_call(tool, arguments, flaws | doubts, [*repairs, *typed])


def checked_call(tool: Tool, arguments: dict[str, Any], flaws: set[Flaw], repairs: list[str]) -> Call:
    """The call, with what the schema says is missing, and without keys that it forbids."""
    flaws = flaws | _misspelt(tool, arguments)
    if tool.closed and (unknown := arguments.keys() - tool.properties.keys()):
        missing = tool.properties.keys() - arguments.keys()
        if any(alike(key, one) or key.startswith(one) for key in unknown for one in missing):
            flaws = flaws | {Flaw.KEY_UNKNOWN}  # one of its own, misspelt, and not one too many
        arguments = {key: value for key, value in arguments.items() if key not in unknown}
        repairs = [*repairs, "key.forbidden_dropped"]
    if not tool.required <= arguments.keys():
        misread = bool(tool.properties) and not arguments.keys() <= tool.properties.keys()
        flaws = flaws | {Flaw.MALFORMED if misread else Flaw.INCOMPLETE}
    elif tool.unknown(arguments):
        flaws = flaws | {Flaw.KEY_UNKNOWN}
    if Flaw.CLOSER_MISSING in flaws and typing_of.ends_in_body(arguments):
        flaws = flaws | {Flaw.BODY_LAST}
    return Call(tool.name, tool, arguments, frozenset(flaws), tuple(dict.fromkeys(repairs)))


def _misspelt(tool: Tool, arguments: Mapping[str, Any]) -> set[Flaw]:
    """Whether a key that is none of the tool's parameters is nearly one of those that are not given, or one twice."""
    missing = tool.properties.keys() - arguments.keys()
    slips = any(alike_key(key, one) for key in tool.unknown(arguments) for one in missing if one)
    return {Flaw.KEY_MISSPELT} if slips else set()


def reading_of(text: str, calls: tuple[Call, ...], closing: Closing, opening: Opening, dialect: str) -> Reading:
    """The reading of `calls` that were closed as `closing` says."""
    last = nothing_follows(text, closing.end)
    end = len(text) if last and text[closing.end :].strip() else closing.end
    return Reading(calls, end, dialect, last, opening.fenced, opening.namespaced)
