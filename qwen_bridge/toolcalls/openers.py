"""How a parameter opens: `<parameter=KEY>`, `<parameter name="KEY">`, `<KEY>`, and the drift of each.

`<parameter:KEY>` and `<parameter key="KEY">` are drift of the first two: nothing else could be meant.

Seen in the corpus: blanks and quotes, a lost `>`, attributes, a key in a tag of its own, a key and its value in one
tag, self-closing tags. A key counts as declared where the tool's schema names it, folded or by alias.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.tags import PARAMETERS, Tag, tag_at

_KEY = re.compile(
    r"""^\s*(?:[=:]|(?:name|key)\s*=|\s)\s*["'“”]?(?P<key>[^"'“”=:/]*[^"'“”=:/\s])["'“”]?(?P<tail>.*)$""", re.DOTALL
)
_FUSED = re.compile(r"""^\s*[=:]\s*["']?(?P<value>.*?)["']?\s*$""", re.DOTALL)
_KEY_INSIDE = re.compile(r"\s*<(?:name|key)>\s*(?P<key>[^<>\n]{1,80}?)\s*</(?:name|key)>\s*")
_KEY_FIRST = re.compile(r"\s*(?P<key>[^<>\n]{1,80}?)\s*(?:[<＜]\s*/\s*(?:parameter|name)[^<>\n]{0,12}>|(?=\n))")
_ASSIGNED = re.compile(r"\s*(?P<key>[^\W\d][\w\-]*)[ \t]*[=:][ \t]*")
_ARG_KEY = re.compile(r"<arg_key>\s*(?P<key>[^<>\n]{1,80}?)\s*</arg_key>\s*<arg_value>")
_ATTRIBUTES = re.compile(
    r"""[\s/]*|(?:[\s,;]+[^\W\d][\w.:\-]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[“”][^“”]*[“”]|[^\s"'“”<>]+))?)*[\s/]*"""
)
_QUOTES = ('"', "'", "“", "”")
_WORD = re.compile(r"[^\W\d][\w.\-]*")
_VALUE_OPENER = re.compile(r"\s*[<＜]value[>＞]")


@dataclass(frozen=True, slots=True)
class Opener:
    """An opened parameter; its value begins at `end`.

    `word` is None for `<parameter=…>`, else the tag's own word. `value` is set where the tag itself held the value.
    `in_value` says that the value stands in a `<value>` of its own.
    """

    key: str
    declared: bool
    at: int
    end: int
    word: str | None = None
    value: str | None = None
    repair: str = ""
    in_value: bool = False


def read_opener(text: str, at: int, tool: Tool, closers: frozenset[str]) -> Opener | None:
    """The parameter of `tool` that opens at `at`, or None. `closers` are words that are no parameters here."""
    tag = tag_at(text, at)
    if tag is None or tag.closing:
        return None
    if tag.word == "arg_key":
        return _key_then_value(text, tag, tool)
    if tag.word.casefold() in PARAMETERS:
        return _nameless(text, tag, tool) if tag.plain else _named(text, tag, tool)
    key = tool.key(tag.word)
    word = tag.word.casefold()
    if (key is None and (tool.properties or word.startswith("param"))) or word in closers or not tag.closed:
        return None
    return _own_tag(tag, key)


def _key_then_value(text: str, tag: Tag, tool: Tool) -> Opener | None:
    """`<arg_key>KEY</arg_key><arg_value>`, as another family of models has it."""
    found = _ARG_KEY.match(text, tag.start)
    if found is None:
        return None
    key = tool.key(found["key"])
    return Opener(key or found["key"], key is not None, tag.start, found.end(), "arg_value", repair="param.arg_key")


def _own_tag(tag: Tag, key: str | None) -> Opener:
    """`<KEY>`, `<KEY/>`, `<KEY=value>`."""
    value, repair = None, "" if key in (None, tag.word) else "key.folded"
    if tag.rest.lstrip().startswith("="):
        value, repair = tag.rest.strip(" =\t").strip("\"'"), "param.fused_value"
    elif tag.void:
        value = tag.attributes().get("value", "")
    return Opener(key or tag.word, key is not None, tag.start, tag.end, tag.word, value, repair)


def _named(text: str, tag: Tag, tool: Tool) -> Opener | None:
    """`<parameter=KEY>` and `<parameter name="KEY">`, also with the value fused into the tag."""
    found = _KEY.match(tag.rest)
    if found is None:
        return None
    written, tail = found["key"], found["tail"]
    key = tool.key(written)
    if key is None and (first := written.split()[0]) != written and (inner := tool.key(first)) is not None:
        written, tail, key = first, written[len(first) :] + tail, inner
    elif key is None and first != written and tail.lstrip()[:1] == "=":  # `<parameter=KEY type="string">`
        written, tail = first, written[len(first) :] + tail
    if not tag.closed:
        return _unfinished(text, tag, found["key"], tool)
    if (fused := _FUSED.match(tail)) and fused["value"] and fused["value"][-1:] != "=":
        return Opener(key or written, key is not None, tag.start, tag.end, None, fused["value"], "param.fused_value")
    if not _ATTRIBUTES.fullmatch(tail):
        return None  # the `>` belongs to a value whose opener has none: a piece of it stands in the tag
    value = tag.attributes().get("value", "") if tag.void else None
    repair = "" if key in (None, written) else "key.folded"
    return Opener(key or written, key is not None, tag.start, tag.end, None, value, repair)


def _unfinished(text: str, tag: Tag, written: str, tool: Tool) -> Opener | None:
    """The `>` is missing: the key is the longest declared one that the tag begins with."""
    for length in range(len(written), 0, -1):
        ends_word = length == len(written) or written[length].isspace()
        key = tool.key(written[:length]) if ends_word else None
        if length == len(written) and written not in tool.properties:
            key = _alone_on_its_line(text, tag, written, key, tool)
        if key is not None:
            start = text.index(written, text.index(tag.word, tag.start) + len(tag.word)) + length
            start += bool(text[start : start + 1]) and text[start] in (*_QUOTES, " ", "\t", ":", "=")
            return Opener(key, True, tag.start, start, repair="param.bracket_missing")
    begun = [key for key in tool.properties if written.startswith(key) and written != key]
    if len(begun) != 1:
        return None
    start = text.index(written, text.index(tag.word, tag.start) + len(tag.word)) + len(begun[0])
    return Opener(begun[0], True, tag.start, start, repair="param.fused_value")


def _alone_on_its_line(text: str, tag: Tag, written: str, key: str | None, tool: Tool) -> str | None:
    """A key that is not spelled as declared: with something behind it on its line, that may be the value."""
    if text[tag.end : tag.end + 1] not in ("\n", "\r"):
        return None
    any_key = not tool.properties and _WORD.fullmatch(written)
    return written if key is None and any_key else key


def _nameless(text: str, tag: Tag, tool: Tool) -> Opener | None:
    """`<parameter>KEY</parameter>`, `<parameter>KEY` on a line of its own, `<parameter><name>KEY</name>`."""
    for pattern in (_KEY_INSIDE, _KEY_FIRST, _ASSIGNED):
        found = pattern.match(text, tag.end)
        if found is None or (key := tool.key(found["key"])) is None:
            continue
        if (inner := _VALUE_OPENER.match(text, found.end())) is not None:
            return Opener(key, True, tag.start, inner.end(), repair="param.nameless", in_value=True)
        return Opener(key, True, tag.start, found.end(), repair="param.nameless")
    return None
