"""What stands around a call: wrappers, a fence, CDATA, bold marks before it; closers of every kind behind it.

None of it has a meaning of its own (knowledge/toolcalls.md 2, *wrapper*, *closer*): the inner form is the call. What
counts is only whether the call was closed, because a call that was not may have been cut off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, NAMESPACE, WRAPPERS, after_space, is_wrapper, tag_at

_FENCE = re.compile(r"(?:`{3,}|~{3,})[^\n`]*\n?")
_FENCE_END = re.compile(r"(?:`{3,}|~{3,})[ \t]*(?:\n|(?=[<＜])|\Z)")
_CDATA = "<![CDATA["
_BOLD = re.compile(r"\*{1,3}")
_MARKER = re.compile(r"\[(?P<slash>/?)TOOL_CALL\]")
_HALF_CLOSER = re.compile(rf"[<＜][ \t]*[/／]?[ \t]*{NAMESPACE}(?P<word>\w{{0,24}})[ \t]*\Z")
_TORN_CLOSER = re.compile(r"(?:tool|call|_call|tool_call|function|parameter)[>＞]")
_BRACKETS = re.compile(r"]]>|/>|[}\]]+?(?!>)|,(?=\s*[}\]{])")
_NOTHING = re.compile(r"\s*(?:[<＜][^<>＜＞\s]{0,80})?\Z")
_STRAY = frozenset(("think", "name", "tool", "parameter", "tool_name", "answer", "value"))


@dataclass(frozen=True, slots=True)
class Opening:
    """What was opened before the call that starts at `end`. `named` is a tool name in an attribute of the wrapper."""

    end: int
    wrapped: bool = False
    wrappers: int = 0
    fenced: bool = False
    namespaced: bool = False
    named: str | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """What was closed behind it. `end` is behind the last closer."""

    end: int
    call: bool = False
    wrapper: bool = False
    strays: int = 0


def read_opening(text: str, at: int) -> Opening:
    """Go over everything that may stand before a call's head."""
    wrappers, fenced, namespaced, named = 0, False, False, None
    while True:
        at = after_space(text, at)
        if text.startswith(_CDATA, at):
            at += len(_CDATA)
        elif found := _FENCE.match(text, at):
            fenced, at = True, found.end()
        elif found := _BOLD.match(text, at):
            at = found.end()
        elif (tag := tag_at(text, at)) is not None and not tag.closing and tag.closed and is_wrapper(tag):
            named = tag.attributes().get("name", named)
            if tag.rest.lstrip().startswith("="):
                named = tag.rest.strip(" =\t\"'")
            wrappers, namespaced, at = wrappers + 1, namespaced or tag.namespaced, tag.end
        else:
            return Opening(at, wrappers > 0, wrappers, fenced, namespaced, named)


def nothing_follows(text: str, at: int) -> bool:
    """Whether nothing but blanks, or the beginning of a tag, stands from `at` to the end of the text."""
    return _NOTHING.match(text, at) is not None


def read_closing(text: str, at: int, opening: Opening, own: frozenset[str]) -> Closing:
    """Go over the closers behind a call; `own` are the words that close it beside `</function>` and `</invoke>`.

    A wrapper's closer closes the call as well. The blanks behind the last closer are not taken.
    """
    end, call, wrapper, strays = at, False, False, 0
    while True:
        at = after_space(text, at)
        if found := _BRACKETS.match(text, at):
            at = end = found.end()
            call = call or found.group() == "/>"
        elif (
            (opening.fenced and (found := _FENCE_END.match(text, at)))
            or (found := _BOLD.match(text, at))
            or (end and (found := _TORN_CLOSER.match(text, at)))
        ):
            at = end = found.end()
        elif (found := _HALF_CLOSER.match(text, at)) and _is_start_of_closer(found, own):
            return Closing(len(text), call, wrapper, strays)
        elif (kind := _closer(text, at, own)) is not None:
            word, at = kind
            end = at
            wrapper = wrapper or word in WRAPPERS
            call = call or word in CALLS or word in own or word == "parameterfunction" or wrapper
            strays += word in _STRAY
        else:
            return Closing(end, call, wrapper, strays)


def _closer(text: str, at: int, own: frozenset[str]) -> tuple[str, int] | None:
    tag = tag_at(text, at)
    if tag is None or not tag.closing:
        return None
    if tag.word in own:
        return tag.word, tag.end
    word = tag.word.casefold()
    known = word in CALLS | WRAPPERS | ARGUMENTS | _STRAY or word.startswith("param") or word.startswith("invoke")
    return (word, tag.end) if known else None


def _is_start_of_closer(found: re.Match[str], own: frozenset[str]) -> bool:
    word = found["word"]
    return any(known.startswith(word) for known in WRAPPERS | CALLS | own)
