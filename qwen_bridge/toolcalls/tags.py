"""One tag at one place: `<word rest>`, as models write it, not as XML defines it.

A hand scanner, because the text between tags is code that no XML parser may touch. Full-width brackets and a pipe
namespace (`<｜DSML｜invoke …>`) are folded away here, inside the tag alone; a missing `>` is noted, not repaired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

NAMESPACE = r"(?:[|｜]{1,2}[ \t]{0,8}\w{1,24}[ \t]{0,8}[|｜]{1,2}[ \t]{0,8}(?=\w)|[|｜](?=\w))?"
OPENING = rf"[<＜][ \t]*(?P<slash>[/／])?[ \t]*{NAMESPACE}"

PARTIAL_NAMESPACE = re.compile(r"[<＜][ \t]*[/／]?[ \t]*(?:[|｜]{1,2}[ \t]*(?:\w{1,24}[ \t]*[|｜]{0,2}[ \t]*)?)?\Z")
"""A tag that ends before its word began, or inside of what may be a namespace."""

LONGEST_TAG = 2000
"""Characters behind a tag's word, at most."""

_TAG = re.compile(
    rf"{OPENING}(?P<word>[^\W\d][\w.\-]*)(?P<rest>[^<>＜＞\n]{{0,{LONGEST_TAG}}})(?P<end>[>＞]|(?=[<＜\n])|\Z)"
)
_ATTRIBUTE = re.compile(r"""([^\W\d][\w.\-]*)\s*=\s*(?:"([^"]*)"?|'([^']*)'?|[“”]([^“”]*)[“”]?|([^\s"'“”/>]+))""")
_BRACKET = re.compile("[<＜]")
_SPACE = re.compile(r"\s*")

WRAPPERS = frozenset(
    [
        "tool_call",
        "tool_calls",
        "toolcall",
        "toolcalls",
        "tool_code",
        "tool_use",
        "tools",
        "function_call",
        "function_calls",
        "functions",
        "function_invocation",
        "tool_request",
    ]
)
"""Tags that only say that a call is inside. They carry no meaning."""

CALLS = frozenset(("function", "invoke"))
"""Tags that hold one call: its name, and its parameters inside."""

ARGUMENTS = frozenset(("arguments", "parameters", "params", "args", "input"))
"""Words that introduce all arguments together."""

PARAMETERS = frozenset(("parameter", "param", "parameter_name"))
"""Tags that hold one parameter."""


class Tag(NamedTuple):
    """`start` and `end` enclose the tag; `rest` is what stood between the word and the end of the tag.

    `closed` is false where the `>` is missing: the tag then ends before a newline, another tag, or the text's end.
    """

    start: int
    end: int
    word: str
    rest: str
    closing: bool
    void: bool
    closed: bool
    namespaced: bool = False

    @property
    def plain(self) -> bool:
        """Whether there is nothing but the word in it."""
        return not self.rest.strip()

    def attributes(self) -> dict[str, str]:
        """The attributes, their values as written."""
        return {
            found.group(1): next((value for value in found.groups()[1:] if value is not None), "")
            for found in _ATTRIBUTE.finditer(self.rest)
        }


def tag_at(text: str, at: int) -> Tag | None:
    """The tag that starts exactly at `at`, or None."""
    found = _TAG.match(text, at)
    if found is None:
        return None
    head = text[found.start() : found.start("word")]
    rest = found["rest"].rstrip(" \t|｜")
    void = rest.endswith(("/", "／"))
    return Tag(
        found.start(),
        found.end(),
        found["word"],
        rest[:-1].rstrip(" \t") if void else rest,
        closing=found["slash"] is not None,
        void=void,
        closed=bool(found["end"]),
        namespaced=len(head.strip("<＜/／ \t")) > 0 or head[0] == "＜",
    )


def tags_in(text: str) -> Iterator[Tag]:
    """All tags of a text, in their order."""
    for found in _BRACKET.finditer(text):
        if (tag := tag_at(text, found.start())) is not None:
            yield tag


def after_space(text: str, at: int) -> int:
    """The index of the first character from `at` on that is not white space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def is_wrapper(tag: Tag) -> bool:
    """Whether the tag opens or closes a wrapper, `<function>` without a name among them."""
    word = tag.word.casefold()
    return word in WRAPPERS or (word in CALLS | {"tool"} and tag.plain and not tag.closing)
