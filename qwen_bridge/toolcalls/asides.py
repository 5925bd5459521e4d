"""What stands in an answer beside prose and calls: thinking tags, invented results, the site's refusal line, fences.

Each reader looks at one place and answers with what stands there, or `None`, or `WAIT` where the text ends before
that can be told. None of them looks further than `REACH` characters, however much text is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from qwen_bridge.toolcalls.tags import tag_at

REACH = 200
"""Characters that a reader may look at."""

LONGEST_RUN = 64
"""Backticks that are waited for and taken together at most."""

CALL_FENCES = frozenset(("", "json", "tool_call", "tool_calls", "toolcall", "tool", "tool_code", "function", "xml"))
"""Info strings of a fence that may hold a call. A fence in a programming language is code."""

RESULTS = frozenset(
    [
        "tool_response",
        "tool_responses",
        "tool_result",
        "tool_results",
        "function_result",
        "function_results",
        "result",
        "output",
        "observation",
    ]
)
"""Blocks in which a model invents what a tool returned: nothing in them is a call."""

QUOTES = frozenset(("pre", "code", "blockquote", "details", "file", "files", "file_content", "file_contents"))
"""Blocks in which a model shows code, or the text of a file: nothing in them is a call either."""

THINKING_CLOSERS = ("</think>", "</thinking>")

_THINKING_OPENERS = ("<think>", "<thinking>")
_REFUSAL = re.compile(r"Tool (?P<name>\S{1,128}) does not exists?\.")
_REFUSAL_HEAD = re.compile(r"Tool \S{1,128} ")
_REFUSAL_TAIL = " does not exists."
_FENCE = re.compile(r"(?:`{3,}|~{3,})(?P<info>[^\n`]*)\n\s*")
_PARTIAL_FENCE = re.compile(r"(?:`{3,}|~{3,})[^\n`]*(?:\n\s*)?\Z")
_ESCAPED = re.compile(r"&lt;(?P<word>[\w.\-]+)&gt;")
_PARTIAL_ESCAPED = re.compile(r"&(?:l(?:t(?:;(?:[\w.\-]*(?:&(?:g(?:t)?)?)?)?)?)?)?\Z")


class _Wait(Enum):
    """The one value of `WAIT`."""

    WAIT = "wait"


WAIT: Final = _Wait.WAIT


@dataclass(frozen=True, slots=True)
class Aside:
    """What was found ends at `end`; `word` is the tag's word, the refused tool's name, or the fence's info string."""

    end: int
    word: str
    closing: bool = False


type Seen = Aside | _Wait | None


def thinking_tag(text: str, at: int, *, final: bool) -> Seen:
    """`<think>` or `</think>` at `at`."""
    for tag in (*_THINKING_OPENERS, *THINKING_CLOSERS):
        if text.startswith(tag, at):
            return Aside(at + len(tag), tag, tag in THINKING_CLOSERS)
        if not final and tag.startswith(text[at : at + len(tag)]):
            return WAIT
    return None


_NAMELESS = re.compile(r"[<＜](?:\|\w{0,16}\|?)?[ \t]{0,3}[/／]?[ \t]{0,3}\Z")
"""A tag that ends before its name began."""


def block_tag(text: str, at: int, *, final: bool) -> Seen:
    """The tag of a block of results, or of a quotation, at `at`."""
    tag = tag_at(text, at)
    if tag is None:
        # The name is still to come; a tag may be written with blanks, full-width, or behind a namespace.
        return WAIT if not final and _NAMELESS.match(text, at) else None
    quotes = tag.word in QUOTES and not tag.void
    if not tag.plain and not quotes:
        return None
    if not tag.closed:
        open_end = tag.end == len(text) and not final
        return WAIT if open_end and any(word.startswith(tag.word) for word in RESULTS | QUOTES) else None
    return Aside(tag.end, tag.word, tag.closing) if quotes or tag.word in RESULTS else None


def refusal(text: str, at: int, *, final: bool) -> Seen:
    """The site's "Tool X does not exists." at `at` (its own spelling; toolcalls.md 7.4)."""
    found = _REFUSAL.match(text, at)
    if found is not None:
        return Aside(found.end(), found["name"])
    rest = text[at : at + REACH]
    if final or len(text) - at > REACH or "\n" in rest:
        return None
    if "Tool ".startswith(rest[:5]) and " " not in rest[5:]:
        return WAIT
    head = _REFUSAL_HEAD.match(rest)
    return WAIT if head is not None and _REFUSAL_TAIL.startswith(rest[head.end() - 1 :]) else None


def call_fence(text: str, at: int, *, final: bool) -> Seen:
    """A fence at `at` that may hold a call; `end` is where its content begins."""
    window = text[: at + REACH]
    found = _FENCE.match(window, at)
    if found is None or (found.end() == len(window)):
        reaches = len(text) - at >= REACH
        return WAIT if not final and not reaches and _PARTIAL_FENCE.match(window, at) else None
    info = found["info"].strip().casefold()
    return Aside(found.end(), info) if info in CALL_FENCES else None


def escaped_tag(text: str, at: int, *, final: bool) -> Seen:
    """`&lt;word&gt;` at `at`."""
    window = text[: at + REACH]
    found = _ESCAPED.match(window, at)
    if found is not None:
        return Aside(found.end(), found["word"])
    return WAIT if not final and len(window) == len(text) and _PARTIAL_ESCAPED.match(window, at) else None


def run_at(text: str, at: int) -> str:
    """The run of one and the same character at `at`, for backticks and tildes; else that character alone."""
    end = at + 1
    while text[at] in "`~*" and end < min(len(text), at + LONGEST_RUN) and text[end] == text[at]:
        end += 1
    return text[at:end]


def run_goes_on(text: str, at: int) -> bool:
    """Whether the run at `at` may go on behind the text's end."""
    run = len(run_at(text, at))
    return at + run == len(text) and run < LONGEST_RUN


def held_suffix(text: str, words: tuple[str, ...]) -> int:
    """Length of the longest end of `text` that is a start of one of `words`, and not all of it."""
    longest = max(len(word) for word in words) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-length:]) for word in words):
            return length
    return 0
