"""Calls whose head names the tool, with arguments in any form behind it: tags, JSON, round brackets, none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls import arguments as typing_of
from qwen_bridge.toolcalls.block import read_block
from qwen_bridge.toolcalls.boundaries import NAMING
from qwen_bridge.toolcalls.catalogue import Catalogue, Tool
from qwen_bridge.toolcalls.dialects.head import Head
from qwen_bridge.toolcalls.dialects.heads import read_head
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.frame import Closing, Opening, nothing_follows, read_closing
from qwen_bridge.toolcalls.json_doubts import doubts
from qwen_bridge.toolcalls.loose_json import Unreadable, may_go_on, read_json
from qwen_bridge.toolcalls.reading import Call, Reading, checked_call, reading_of
from qwen_bridge.toolcalls.ruins import ruin_end
from qwen_bridge.toolcalls.signature import read_signature
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, PARAMETERS, WRAPPERS, Tag, after_space, tag_at

_ARGUMENTS_KEY = re.compile(r"""[\s,]*["']?(?:arguments|parameters|params|args|input)["']?\s*[:=]\s*(?=[{<＜])""")
_BRACE_BEFORE_TAG = re.compile(r"\{\s*[<＜]\s*param")
_VOID_TAG = re.compile(
    r"""[^\s]+(?:\s+[^\W\d][\w.\-]*\s*=\s*(?:"[^"]*"|'[^']*'|[“”][^“”]*[“”]|[^\s"'“”/<>=]+))*[\s|｜]*[/／]\s*[>＞]"""
)
"""A tag of nothing but whole attributes."""
_NOISE = frozenset(("id", "type", "name"))
"""Attributes that say nothing of the arguments, where they are no parameters."""
_BOLD = re.compile(r"\s*\*{1,3}\s*")


def read_headed(text: str, opening: Opening, head: Head, catalogue: Catalogue) -> Reading:
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
    flaws = body.flaws | _tag_flaws(text, body, closing, opening, head, catalogue)
    if flaws & {Flaw.JUNK, Flaw.MALFORMED}:
        closing = Closing(ruin_end(text, closing.end, own))
    if head.repair == "head.parameter_as_function":
        flaws.discard(Flaw.CLOSER_DOUBLED)
    call = checked_call(tool, body.arguments, flaws, [*repairs, *body.repairs])
    if named is None:
        call = Call(head.written, None, {}, frozenset({Flaw.UNDECLARED} | flaws), call.repairs)
    dialect = "special_tokens" if opening.namespaced or head.namespaced else head.dialect
    if body.json and dialect != "special_tokens":
        dialect = "mixed"
    return reading_of(text, (call,), closing, opening, dialect)


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
        arguments, repairs, flaws = typing_of.from_json(tool, signature.arguments)
        end = signature.end
        return _Body(end + (text[end : end + 1] == ">"), arguments, flaws, ["arguments.signature", *repairs])
    try:
        read = read_json(text, at)
    except Unreadable as error:
        # What is open belongs to the call up to the end: shown, it would be a piece of a call as text.
        end = len(text) if error.open_end else at
        return _Body(end, {}, {Flaw.VALUE_OPEN if error.open_end else Flaw.MALFORMED}, [])
    if not isinstance(read.value, dict):
        return _Body(read.end, {}, {Flaw.MALFORMED}, [])
    arguments, repairs, flaws = typing_of.from_json(tool, read.value)
    if read.repeated_key:
        flaws.add(Flaw.REPEATED)
    if read.missing:
        flaws.add(Flaw.VALUE_OPEN if nothing_follows(text, read.end) else Flaw.CLOSER_MISSING)
    flaws |= doubts(read, read.value, tool, headed=True)
    if may_go_on(text, read.end):
        flaws.add(Flaw.AMBIGUOUS)
    return _Body(read.end, arguments, flaws, [*read.repairs, *repairs], json=True)


def _read_tags(text: str, opening: Opening, head: Head, tool: Tool, start: int, own: frozenset[str]) -> _Body:
    """Arguments as tags, and as attributes of the head."""
    given = {tool.key(key) or key: value for key, value in head.attributes.items() if key != "name" or tool.key(key)}
    # `<TOOL a="1"/>` has no other arguments; `<TOOL id="1">` has parameters inside
    given = {key: value for key, value in given.items() if key in tool.properties or (head.void and key not in _NOISE)}
    if head.void:
        torn = head.repair == "head.attributes" and _VOID_TAG.match(text, opening.end) is None
        end, values, flaws, repairs = start, [], {Flaw.AMBIGUOUS} if torn else set[Flaw](), list[str]()
    else:
        block = read_block(
            text, start, tool, wrapped=opening.wrapped, closers=own, namespaced=opening.namespaced or head.namespaced
        )
        end, values, flaws, repairs = block.end, block.values, block.flaws, block.repairs
    arguments, typed, doubts = typing_of.from_text(tool, [*given.items(), *values])
    return _Body(end, arguments, flaws | doubts, [*repairs, *typed])


def _tag_flaws(
    text: str, body: _Body, closing: Closing, opening: Opening, head: Head, catalogue: Catalogue
) -> set[Flaw]:
    named = catalogue.resolve(head.written)
    if Flaw.VALUE_OPEN in body.flaws or Flaw.MALFORMED in body.flaws:
        return set()
    if Flaw.VALUE_UNCLOSED in body.flaws and closing.strays:
        return {Flaw.AMBIGUOUS}  # the closer that the value lacks stands behind the call's: it may have ended there
    if closing.strays and named is not None and named.tool.required and not body.arguments and not head.void:
        return {Flaw.JUNK}  # closers of parameters, and no parameter: what is left of something else
    closed = (closing.call or head.void) and (closing.wrapper or not opening.wrapped)
    if closed or (body.json and not opening.wrapped):
        return set()
    if closing.call or head.void:
        return {Flaw.WRAPPER_OPEN}
    if nothing_follows(text, closing.end):
        if body.json:
            return {Flaw.CLOSER_MISSING if "json.unescaped_quote" in body.repairs else Flaw.WRAPPER_OPEN}
        if not body.arguments:
            return {Flaw.HEAD_OPEN}
        more = named is not None and named.tool.properties.keys() - body.arguments.keys()
        return {Flaw.CLOSER_MISSING, Flaw.MORE_POSSIBLE} if more else {Flaw.CLOSER_MISSING}
    following = tag_at(text, after_space(text, closing.end))
    if following is not None and not following.closing and body.arguments and _opens_call(following, catalogue):
        return {Flaw.CLOSER_MISSING}
    return {Flaw.JUNK} if not body.json else {Flaw.CLOSER_MISSING}


def _opens_call(tag: Tag, catalogue: Catalogue) -> bool:
    """Whether a tag behind a call that is not closed begins the next one, and is not one of its parameters, broken."""
    word = tag.word.casefold()
    named = catalogue.resolve(tag.word) is not None
    return named or word in CALLS | WRAPPERS or (tag.word in NAMING and tag.plain)
