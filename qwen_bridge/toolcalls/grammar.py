"""One call at the start of a text: head, arguments, close, in any dialect and any mixture of dialects.

`read_call` is a pure function of the text. It reports what it read and what was wrong with it; whether that may run
is the policy's to say. The text must begin with an opener, which the gate has found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls import arguments as typing_of
from qwen_bridge.toolcalls.block import BlockReader
from qwen_bridge.toolcalls.catalogue import Catalogue, Tool
from qwen_bridge.toolcalls.dialects.head import Head
from qwen_bridge.toolcalls.dialects.heads import read_head
from qwen_bridge.toolcalls.envelope import Entry, calls_in
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening, read_closing, read_opening
from qwen_bridge.toolcalls.loose_json import JsonValue, Unreadable, read_json
from qwen_bridge.toolcalls.signature import read_signature
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, PARAMETERS, WRAPPERS, after_space, tag_at

_ARGUMENTS_KEY = re.compile(r"""[\s,]*["']?(?:arguments|parameters|params|args|input)["']?\s*[:=]\s*(?=[{<＜])""")
_SECOND_END = re.compile(r"""["'][\s}\]]*\}\s*(?:\Z|[<＜]\s*/)""")
_NEXT_CALL = re.compile(r"[<＜]\s*(?:tool_?call|function|invoke)|\{\s*[\"']")
_ESCAPED_JSON = re.compile(r'[{\[]\s*\{?\s*\\"')
_BRACE_BEFORE_TAG = re.compile(r"\{\s*[<＜]\s*param")
_BOLD = re.compile(r"\s*\*{1,3}\s*")


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

    `last` says that nothing but blanks follows; `fenced` that they stood in a code fence of their own.
    """

    calls: tuple[Call, ...]
    end: int
    dialect: str
    last: bool
    fenced: bool = False
    namespaced: bool = False

    @property
    def whole(self) -> bool:
        """Whether no flaw was found: what was read can be released without waiting for more text."""
        return all(not call.flaws for call in self.calls)


def read_call(text: str, catalogue: Catalogue) -> Reading | None:
    """The call, or the envelope of calls, at the start of `text`; None where there is none after all."""
    opening = read_opening(text, 0)
    if not opening.named and text[opening.end : opening.end + 1] in ("{", "[", '"', "'"):
        reading = _read_json_call(text, opening, catalogue)
        if reading is not None:
            return reading
    head = _head(text, opening, catalogue)
    if head is not None:
        return _read_headed(text, opening, head, catalogue)
    return _read_headless(text, opening, catalogue)


def _head(text: str, opening: Opening, catalogue: Catalogue) -> Head | None:
    if opening.named:
        return Head(opening.named, opening.end, "qwen3_coder_xml", repair="head.wrapper_attribute")
    return read_head(text, opening.end, catalogue, wrapped=opening.wrapped)


def _read_json_call(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A call that is one JSON value; None where it is none, so that a head may be tried."""
    try:
        read = read_json(text, opening.end)
    except Unreadable:
        return _read_escaped_call(text, opening, catalogue) if opening.wrapped else None
    entries = calls_in(read.value, catalogue, wrapped=opening.wrapped)
    if not entries:
        return None
    closing = read_closing(text, read.end, opening, frozenset())
    flaws = _json_flaws(text, read, closing, opening)
    calls = tuple(_json_call(entry, read, flaws, catalogue) for entry in entries)
    dialect = "json_fence" if opening.fenced else "hermes_json" if opening.wrapped else "json_bare"
    return _reading(text, calls, closing, opening, dialect)


def _read_escaped_call(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A call whose quotes are all escaped, as if it were inside a string: it is decoded once, as one string."""
    if not _ESCAPED_JSON.match(text, opening.end):
        return None
    end = _WRAPPER_END.search(text, opening.end)
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
    return _reading(text, calls, closing, opening, "hermes_json")


def _json_flaws(text: str, read: JsonValue, closing: Closing, opening: Opening) -> set[Flaw]:
    flaws = {Flaw.REPEATED} if read.repeated_key else set()
    if "json.missing_brace" in read.repairs or (opening.wrapped and not closing.call):
        flaws.add(Flaw.CLOSER_MISSING)
    following = _NEXT_CALL.search(text, closing.end)
    rest = text[closing.end : following.start() if following else len(text)]
    if not closing.call and _SECOND_END.search(rest):
        flaws.add(Flaw.AMBIGUOUS)
    return flaws


def _json_call(entry: Entry, read: JsonValue, flaws: set[Flaw], catalogue: Catalogue) -> Call:
    repairs = [*read.repairs, *entry.repairs]
    if entry.name is None:
        tool = catalogue.by_keys(entry.arguments or {})
        repairs += ["name.inferred"] if tool is not None else []
        return _call("", tool, entry.arguments, flaws | (set() if tool else {Flaw.NAMELESS}), repairs)
    named = catalogue.resolve(entry.name)
    if named is None:
        return Call(entry.name, None, {}, frozenset(flaws | {Flaw.UNDECLARED}), tuple(repairs))
    repairs += [named.repair] if named.repair else []
    members = entry.arguments
    if members is None and entry.scalar is not None and (key := _only_parameter(named.tool)) is not None:
        members = {key: entry.scalar}
        repairs.append("json.bare_argument")
    return _call(entry.name, named.tool, members, flaws, repairs)


def _only_parameter(tool: Tool) -> str | None:
    """The one required string of a harmless tool: a lone string argument can mean nothing else."""
    if not tool.harmless or len(tool.required) != 1:
        return None
    (key,) = tool.required
    return key if "string" in typing_of.kinds(tool.schema(key)) else None


def _call(
    name: str, tool: Tool | None, members: Mapping[str, Any] | None, flaws: set[Flaw], repairs: list[str]
) -> Call:
    """A call with JSON arguments, typed by the schema."""
    if tool is None or members is None:
        missing = flaws | ({Flaw.MALFORMED} if members is None else set())
        return Call(tool.name if tool else name, tool, {}, frozenset(missing), tuple(repairs))
    arguments, typed, repeated = typing_of.from_json(tool, members)
    return _checked(tool, arguments, flaws | ({Flaw.REPEATED} if repeated else set()), [*repairs, *typed])


def _checked(tool: Tool, arguments: dict[str, Any], flaws: set[Flaw], repairs: list[str]) -> Call:
    """The call, with what the schema says is missing, and without keys that it forbids."""
    if tool.closed and (unknown := arguments.keys() - tool.properties.keys()):
        arguments = {key: value for key, value in arguments.items() if key not in unknown}
        repairs = [*repairs, "key.forbidden_dropped"]
    if not tool.required <= arguments.keys():
        misread = bool(tool.properties) and not arguments.keys() <= tool.properties.keys()
        flaws = flaws | {Flaw.MALFORMED if misread else Flaw.INCOMPLETE}
    return Call(tool.name, tool, arguments, frozenset(flaws), tuple(dict.fromkeys(repairs)))


def _read_headed(text: str, opening: Opening, head: Head, catalogue: Catalogue) -> Reading:
    """A call whose head names its tool; arguments in any form follow."""
    named = catalogue.resolve(head.written)
    repairs = [repair for repair in (head.repair, named.repair if named else "") if repair]
    tool = named.tool if named else Tool(ToolSpec(head.written, "", {}), harmless=False)
    own = frozenset((tool.name, head.written, head.word)) - {""}
    at = _skip_doubled(text, head, catalogue, opening, repairs)
    start = _arguments_start(text, at, tool)
    if head.void or text[start : start + 1] not in ("{", "("):
        body = _read_tags(text, opening, head, tool, start, own)
    else:
        body = _read_members(text, start, tool)
    closing = read_closing(text, body.end, opening, own)
    flaws = body.flaws | _tag_flaws(text, body, closing, opening, head)
    if flaws & {Flaw.JUNK, Flaw.MALFORMED}:
        closing = Closing(_ruin_end(text, closing.end, own))
    if head.repair == "head.parameter_as_function":
        flaws.discard(Flaw.CLOSER_DOUBLED)
    call = _checked(tool, body.arguments, flaws, [*repairs, *body.repairs])
    if named is None:
        call = Call(head.written, None, {}, frozenset({Flaw.UNDECLARED} | flaws), call.repairs)
    dialect = "special_tokens" if opening.namespaced or head.namespaced else head.dialect
    if body.json and dialect != "special_tokens":
        dialect = "mixed"
    return _reading(text, (call,), closing, opening, dialect)


@dataclass(frozen=True, slots=True)
class _Body:
    """Arguments of a headed call as far as read."""

    end: int
    arguments: dict[str, Any]
    flaws: set[Flaw]
    repairs: list[str]
    json: bool = False


def _skip_doubled(text: str, head: Head, catalogue: Catalogue, opening: Opening, repairs: list[str]) -> int:
    """Go over the same head written twice: an empty call of a tool that wants arguments, before the same tool."""
    at = head.end
    bold = _BOLD.match(text, at)
    at = bold.end() if bold else at
    again = None if head.void else read_head(text, after_space(text, at), catalogue, wrapped=False)
    if again is not None and again.written == head.written and not again.attributes and again.dialect == head.dialect:
        repairs.append("head.doubled")
        return again.end
    return at


def _arguments_start(text: str, at: int, tool: Tool) -> int:
    """Go over `"arguments":`, `<arguments>` and their kind, where the tool has no parameter of that name."""
    if found := _ARGUMENTS_KEY.match(text, at):
        at = found.end()
    at = after_space(text, at)
    if _BRACE_BEFORE_TAG.match(text, at):
        at = after_space(text, at + 1)
    while (tag := tag_at(text, at)) is not None and not tag.closing and tag.closed:
        word = tag.word.casefold()
        named = tag.rest.strip(" =\"'").removeprefix("name=").strip("\"'") if word in PARAMETERS else ""
        alone = word in ARGUMENTS and tag.plain and tool.key(tag.word) is None
        inside = word in PARAMETERS and named in ARGUMENTS and tool.key(named) is None
        if not alone and not inside:
            break
        at = after_space(text, tag.end)
        if text.startswith("<![CDATA[", at):
            at = after_space(text, at + len("<![CDATA["))
    return at


def _read_members(text: str, at: int, tool: Tool) -> _Body:
    """Arguments as a JSON object, or like a function's in round brackets."""
    if text[at] == "(":
        signature = read_signature(text, at)
        if signature is None:
            return _Body(at, {}, {Flaw.MALFORMED}, [])
        arguments, repairs, _ = typing_of.from_json(tool, signature.arguments)
        end = signature.end
        return _Body(end + (text[end : end + 1] == ">"), arguments, set(), ["arguments.signature", *repairs])
    try:
        read = read_json(text, at)
    except Unreadable as error:
        return _Body(at, {}, {Flaw.VALUE_OPEN if error.open_end else Flaw.MALFORMED}, [])
    if not isinstance(read.value, dict):
        return _Body(read.end, {}, {Flaw.MALFORMED}, [])
    arguments, repairs, repeated = typing_of.from_json(tool, read.value)
    flaws = {Flaw.REPEATED} if repeated or read.repeated_key else set()
    if "json.missing_brace" in read.repairs:
        flaws.add(Flaw.CLOSER_MISSING)
    return _Body(read.end, arguments, flaws, [*read.repairs, *repairs], json=True)


def _read_tags(
    text: str, opening: Opening, head: Head, tool: Tool, start: int, own: frozenset[str]
) -> _Body:
    """Arguments as tags, and as attributes of the head."""
    given = {tool.key(key) or key: value for key, value in head.attributes.items() if key != "name" or tool.key(key)}
    given = {key: value for key, value in given.items() if key in tool.properties or not tool.properties}
    if head.void:
        end, values, flaws, repairs = start, [], set[Flaw](), list[str]()
    else:
        block = BlockReader(text, tool, wrapped=opening.wrapped, closers=own).read(start)
        end, values, flaws, repairs = block.end, block.values, block.flaws, block.repairs
    arguments, typed, repeated = typing_of.from_text(tool, [*given.items(), *values])
    if repeated:
        flaws = flaws | {Flaw.REPEATED}
    return _Body(end, arguments, flaws, [*repairs, *typed])


def _tag_flaws(text: str, body: _Body, closing: Closing, opening: Opening, head: Head) -> set[Flaw]:
    rest = after_space(text, closing.end)
    if Flaw.VALUE_OPEN in body.flaws or Flaw.MALFORMED in body.flaws:
        return set()
    closed = (closing.call or head.void) and (closing.wrapper or not opening.wrapped)
    if closed or (body.json and not opening.wrapped):
        return set()
    if closing.call or head.void:
        return {Flaw.CLOSER_MISSING}
    if rest >= len(text):
        return {Flaw.CLOSER_MISSING if body.arguments else Flaw.HEAD_OPEN}
    following = tag_at(text, rest)
    if following is not None and not following.closing and body.arguments:
        return {Flaw.CLOSER_MISSING}
    return {Flaw.JUNK} if not body.json else {Flaw.CLOSER_MISSING}


def _read_headless(text: str, opening: Opening, catalogue: Catalogue) -> Reading | None:
    """A wrapper with parameters and no name, or one that holds nothing that can be read."""
    if not opening.wrapped and not opening.fenced:
        return None
    nobody = Tool(ToolSpec("", "", {}), harmless=False)
    block = BlockReader(text, nobody, wrapped=True).read(opening.end)
    closing = read_closing(text, block.end, opening, frozenset())
    if not block.values:
        open_end = opening.end >= len(text)
        end = len(text) if open_end else max(closing.end, opening.end)
        flaw = Flaw.HEAD_OPEN if open_end else Flaw.MALFORMED
        end = _wrapper_end(text, end) if flaw is Flaw.MALFORMED else end
        call = Call(_named_in(text, opening.end, catalogue), None, {}, frozenset({flaw}))
        return _reading(text, (call,), Closing(end), opening, "mixed")
    tool = catalogue.by_keys(key for key, _ in block.values)
    if tool is None:
        call = Call("", None, {}, frozenset({Flaw.NAMELESS}))
        return _reading(text, (call,), closing, opening, "qwen3_coder_xml")
    arguments, repairs, _ = typing_of.from_text(tool, block.values)
    missing = {Flaw.CLOSER_MISSING} if not closing.wrapper else set()
    call = _checked(tool, arguments, block.flaws | missing, ["name.inferred", *block.repairs, *repairs])
    return _reading(text, (call,), closing, opening, "qwen3_coder_xml")


_NAME_IN_RUINS = re.compile(r"""["'](?:name|tool|tool_name|function)["']\s*:\s*["']([^"'\n]{1,160})["']""")
_WRAPPER_END = re.compile(r"[<＜]\s*[/／]\s*\w*(?:tool_?call|function_?call|tool_code|tools)\w*\s*[>＞]")


def _named_in(text: str, at: int, catalogue: Catalogue) -> str:
    """The name that an unreadable call mentions first, for the sentence that says that it was not run."""
    found = _NAME_IN_RUINS.search(text, at, at + 2000)
    if found is None:
        return ""
    named = catalogue.resolve(found[1])
    return named.tool.name if named else found[1]


def _wrapper_end(text: str, at: int) -> int:
    """Where an unreadable call ends: behind the wrapper's closer, else at the end of the text."""
    found = _WRAPPER_END.search(text, at)
    return found.end() if found else len(text)


def _ruin_end(text: str, at: int, own: frozenset[str]) -> int:
    """Where a call that cannot be read ends: behind the closers that come next, else at the end of the text."""
    words = "|".join(re.escape(word) for word in own | CALLS | WRAPPERS)
    found = re.compile(rf"(?:[<＜]\s*[/／]\s*(?:{words})\s*[>＞]\s*)+").search(text, at)
    return found.end() if found else len(text)


def _reading(text: str, calls: tuple[Call, ...], closing: Closing, opening: Opening, dialect: str) -> Reading:
    last = after_space(text, closing.end) >= len(text)
    return Reading(calls, closing.end, dialect, last, opening.fenced, opening.namespaced)
