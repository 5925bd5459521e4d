"""Calls that are one JSON value: an object, a list, an envelope; also written with every quote escaped."""

from __future__ import annotations

import re

from qwen_bridge.toolcalls import arguments as typing_of
from qwen_bridge.toolcalls.catalogue import Catalogue, Tool
from qwen_bridge.toolcalls.envelope import Entry, calls_in
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening, nothing_follows, read_closing
from qwen_bridge.toolcalls.json_doubts import beside, doubts, flat
from qwen_bridge.toolcalls.loose_json import JsonValue, Unreadable, may_go_on, read_json
from qwen_bridge.toolcalls.reading import Call, Reading, reading_of, typed_call
from qwen_bridge.toolcalls.ruins import wrapper_closer

_TEXT_ON_LINE = re.compile(r"[ \t]*[^\s<＜{\[,*`]")
"""A call without a wrapper stands alone on its lines; with words behind it on the same line it is a quotation."""

_ESCAPED_JSON = re.compile(r'[{\[]\s*\{?\s*\\"')


def read_json_call(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A call that is one JSON value; None where it is none, so that a head may be tried.

    A reading without calls says that it is none for certain.
    """
    try:
        read = read_json(text, opening.end)
    except Unreadable:
        return _read_escaped_call(text, opening, catalogue) if opening.wrapped else None
    entries = calls_in(read.value, catalogue, wrapped=opening.wrapped)
    if not entries:
        return None
    closing = read_closing(text, read.end, opening, frozenset())
    if not opening.wrapped and not opening.fenced and _TEXT_ON_LINE.match(text, closing.end):
        return reading_of(text, (), closing, opening, "none")
    flaws = _json_flaws(text, read, closing, opening)
    calls = tuple(_json_call(entry, read, flaws, catalogue) for entry in entries)
    dialect = "json_fence" if opening.fenced else "hermes_json" if opening.wrapped else "json_bare"
    return reading_of(text, calls, closing, opening, dialect)


def _read_escaped_call(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A call whose quotes are all escaped, as if it were inside a string: it is decoded once, as one string."""
    if not _ESCAPED_JSON.match(text, opening.end):
        return None
    end = wrapper_closer(text, opening.end)
    stop = end.start() if end else len(text)
    try:
        read = read_json('"' + text[opening.end : stop].strip() + '"')
    except Unreadable:
        return None
    entries = calls_in(read.value, catalogue, wrapped=True) if read.end == len(read.value) or end else None
    if not entries:
        return None
    closing = read_closing(text, stop, opening, frozenset())
    flaws = set() if closing.call else {Flaw.CLOSER_MISSING}
    calls = tuple(_json_call(entry, read, flaws, catalogue) for entry in entries)
    return reading_of(text, calls, closing, opening, "hermes_json")


def _json_flaws(text: str, read: JsonValue, closing: Closing, opening: Opening) -> set[Flaw]:
    flaws = {Flaw.REPEATED} if read.repeated_key else set()
    if read.missing > closing.call:  # one bracket may be missing before a wrapper's closer: nothing was cut there
        flaws.add(Flaw.CLOSER_MISSING)
    elif opening.wrapped and not closing.call:  # a string that JSON closed has ended, unless its quotes were raw
        flaws.add(Flaw.CLOSER_MISSING if "json.unescaped_quote" in read.repairs else Flaw.WRAPPER_OPEN)
    if read.missing and nothing_follows(text, read.end) and not _only_last_brace(text, read):
        flaws.add(Flaw.VALUE_OPEN)
    if not closing.call and may_go_on(text, closing.end):
        flaws.add(Flaw.AMBIGUOUS)
    return flaws


def _only_last_brace(text: str, read: JsonValue) -> bool:
    """Whether the text ends behind the closed arguments: only the object around them was left open."""
    return read.missing == 1 and text[: read.end].rstrip().endswith("}")


def _json_call(entry: Entry, read: JsonValue, flaws: set[Flaw], catalogue: Catalogue) -> Call:
    repairs = [*read.repairs, *entry.repairs]
    if entry.name is None:
        tool = catalogue.by_keys(entry.arguments or {})
        repairs += ["name.inferred"] if tool is not None else []
        return typed_call("", tool, entry.arguments, flaws | (set() if tool else {Flaw.NAMELESS}), repairs)
    named = catalogue.resolve(entry.name)
    if named is None:
        return Call(entry.name, None, {}, frozenset(flaws | {Flaw.UNDECLARED}), tuple(repairs))
    repairs += [named.repair] if named.repair else []
    members = entry.arguments
    if members is None and entry.scalar is not None and (key := _only_parameter(named.tool)) is not None:
        members = {key: entry.scalar}
        repairs.append("json.bare_argument")
    doubtful = doubts(read, members, named.tool) | beside(entry.beside, named.tool)
    if "json.flat_arguments" in entry.repairs:
        doubtful |= flat(members or {}, named.tool)
    return typed_call(entry.name, named.tool, members, flaws | doubtful, repairs)


def _only_parameter(tool: Tool) -> str | None:
    """The one required string of a harmless tool: a lone string argument can mean nothing else."""
    if not tool.harmless or len(tool.required) != 1:
        return None
    (key,) = tool.required
    return key if "string" in typing_of.kinds(tool.schema(key)) else None
