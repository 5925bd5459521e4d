"""What is left of a broken tag in a value that has swallowed it.

A tag that a model misspelt, tore apart or turned round is no tag any more, and what it should have ended goes on.
Nothing here repairs that, for a value may hold such text by right; but there are two readings then, and two are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qwen_bridge.toolcalls.arguments import is_body, is_file, kinds
from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.likeness import alike
from qwen_bridge.toolcalls.openers import Opener
from qwen_bridge.toolcalls.tags import tag_at

_CALL_WORDS = frozenset(("parameter", "function", "invoke", "call", "tool_call"))

REACH = 100
"""Characters from the end of a value in which the rest of its closer is looked for."""

_BRACKET_FIRST = re.compile(
    r"""[>＞]|\s*(?:["'”]\s*[>＞]|[>＞][ \t]*(?:\r?\n|\Z)|[>＞][^\s>=][^\n]*\s*\Z|[,:][ \t]*(?:\r?\n))"""
)
_CLOSER_FIRST = re.compile(r"\s*[<＜][ \t]*[/／][ \t]*(?P<word>[\w.\-]*)[ \t]*[>＞]")
_TORN = re.compile(
    r"[<＜](?P<between>[\s/／\\>＞]{1,12}[|｜]{1,2}\w{1,24}[|｜]{1,2}[\s>＞]{0,12}|[\s/／\\>＞]{2,12})(?P<word>[\w.\-]+)"
)
_ATTRIBUTES_LATE = re.compile(r"""[\s"'“”]*[^\W\d][\w.\-]{0,30}\s*=\s*["'“”](?P<end>[^"'“”<>]{0,60}["'“”]\s*[>＞])?""")
_NAME_ATTRIBUTE = re.compile(r"[<＜][^<>＜＞=]{0,60}\s(?:name|key)\s*=")
_TURNED = re.compile(
    r"""[<>＜＞=/"'\s]{0,8}parameter[<>＜＞=:/\s"']{0,12}(?:name)?[<>＜＞=:/\s"']{0,12}(?P<key>[^\W\d][\w.\-]*)"""
)
_REGULAR = re.compile(r"""\s{0,8}[<＜]parameter(?:=|\s{1,8}name=)["']?(?P<key>[\w.\-]+)["']?[>＞]?""")
_WHOLE_TAG = re.compile(r"[<＜][ \t]*[/／]?[ \t]*[\w|｜][^<>＜＞\n]*[>＞]\Z")
_BRACKET_LATE = re.compile(r"""\s*["'”]?\s*[>＞]""")
_NO_WORD = re.compile(r"[\s<>＜＞/／\\|｜]+")
_LOST_BOTH = re.compile(r"\n[ \t]*[/／]?(?P<word>[\w.\-]+)[>＞]?\s*\Z")  # on `REACH` characters only
_CLOSER = re.compile(r"[/／\\]\s{0,8}(?P<word>[\w.\-]{3,40})\s{0,8}[>＞]?\s{0,40}\Z")
_BEFORE_KEY = re.compile(
    r"""(?<!\w)(?P<word>[^\W\d]\w{2,12})(?:\s{0,4}[=:]{1,3}|\s{1,4}name\s{0,4}[=:]{1,3})\s{0,4}["'“”]?\Z"""
)
_CDATA_BROKEN = re.compile(r"\A\s*(?:<<!|<?!?\[{0,2}C?\w{0,4}ATA\[|<!?\[{0,2}CDAT?A?\[?(?!ATA\[))")

_CDATA_NEARLY = re.compile(r"[<!]{0,3}\[{0,3}\w{0,8}\[")


def swallows_tag(text: str, opener: Opener, end: int, tool: Tool, given: list[str], *, mended: bool) -> bool:
    """Whether what stands between a parameter's opener and `end`, that of its value, holds pieces of a tag of the call.

    `given` are the keys before this one; `mended` says that the value had no closer, or a strange one.
    """
    raw = text[opener.end : end]
    words = {opener.word or "parameter", opener.key}
    free = frozenset(tool.properties.keys() - {opener.key, *given})
    return (
        _begins_in_tag(text, opener, raw)
        or any(_is_torn(found) and _is_own(found["word"], words) for found in _TORN.finditer(raw))
        or _ends_in_closer(raw, words | _CALL_WORDS, mended=mended)
        or (mended and _holds_own(raw, opener))
        or ((mended or opener.repair == "param.nameless") and _begins_in_closer(raw, words))
        or _holds_opener(raw, free, short=not is_body(opener.key))
        or _holds_closer(raw, words, free, tool)
        or _half_wrapped(raw, opener, tool)
    )


def _begins_in_tag(text: str, opener: Opener, raw: str) -> bool:
    """The bracket or the quote that the opener, or what stands before it, should have ended with."""
    first = raw.lstrip()[:1]
    if opener.repair == "param.bracket_missing":
        if not first or _BRACKET_LATE.match(raw):
            return True
        late = _ATTRIBUTES_LATE.match(raw)
        if late is not None and (late["end"] or _NAME_ATTRIBUTE.match(text, opener.at)):
            return True  # attributes of the opener, or the value: its type may be among them
    if first in (">", "＞") and text[: opener.at][-40:].rstrip()[-1:].isalnum():
        return True
    quote = raw[:1]
    if quote in ('"', "'") and text.count(quote, opener.at, opener.end) % 2:
        return True
    torn = text[: opener.at][-40:].rstrip()[-1:] not in (">", "＞")  # what stands before the opener was not closed
    return (torn and _BRACKET_FIRST.match(raw) is not None) or raw.startswith((">", "＞", f"<parameter={opener.key}>"))


def _is_torn(found: re.Match[str]) -> bool:
    """Whether a closer is none as tags go: two slashes, or a line's end, or its bracket, before its word."""
    between = found["between"]
    slashes = sum(between.count(mark) for mark in "/／\\")
    return slashes > 0 and (slashes > 1 or "\n" in between or ">" in between or "＞" in between)


def _is_own(word: str, words: set[str]) -> bool:
    return word in words | _CALL_WORDS or word.startswith("param")


def _begins_in_closer(raw: str, words: set[str]) -> bool:
    first = _CLOSER_FIRST.match(raw)
    if first is None:
        return False
    return first["word"] in words | _CALL_WORDS or any(alike(first["word"], one) for one in words)


def _holds_own(raw: str, opener: Opener) -> bool:
    """Pieces of the value's own tags, where it has no closer of its own sort: one of them may have been it."""
    kept = raw.rstrip()
    if kept[-1:] in ("/", "\\", "<", "＜") or kept.rpartition("\n")[2].strip() in (
        opener.word,
        opener.key,
        "parameter",
    ):
        return True
    own = opener.word or "parameter"
    return f"<{own}" in raw or f"</{own}" in raw


def _ends_in_closer(raw: str, words: set[str], *, mended: bool) -> bool:
    tail = raw[-REACH:].rstrip()
    if mended and (found := _LOST_BOTH.search(tail)) is not None and found.group().strip()[-1:] in (">", "＞"):
        return found["word"] in words
    at = max(tail.rfind("<"), tail.rfind("＜"))
    if at < 0:
        return False
    word = _NO_WORD.sub("", tail[at:])
    if not word:
        return mended and "<>" not in raw  # `</>` that nothing in the value opened
    if re.fullmatch(r"[\w.\-]+", word) is None or f"<{word}" in raw[: len(raw.rstrip()) - len(tail) + at]:
        return False
    closing = not set(tail[at:]).isdisjoint("/／\\")
    return word in words or (closing and any(alike(word, one) for one in words))


def _holds_opener(raw: str, free: frozenset[str], *, short: bool) -> bool:
    """A parameter that could still come, behind what is nearly the right word; behind that word in a `short` value."""
    if short and any(f"<parameter={key}>" in raw for key in free):
        return True
    if any(_is_misspelt(raw, at, key) for key in free for at in _places(raw, key)):
        return True
    if "parameter" not in raw:
        return False
    if any(alike(found["key"], key) for found in _REGULAR.finditer(raw) for key in free):
        return True
    for found in _TURNED.finditer(raw):
        if found["key"] in free and not set(found.group()).isdisjoint("<>＜＞") and not _is_regular(raw, found):
            return True
    return any(f"<parameter{key}" in raw for key in free)


def _is_regular(raw: str, found: re.Match[str]) -> bool:
    """Whether it is an opener as it should be, which may stand behind another tag that is whole."""
    start = found.start()
    mark = max(raw.rfind("<", start, found.start("key")), raw.rfind("＜", start, found.start("key")))
    before = raw[start : max(start, mark)].rstrip()
    if before and _WHOLE_TAG.search(raw, max(0, start - REACH), start + len(before)):
        start = mark
    return _REGULAR.fullmatch(raw, start, found.end()) is not None


def _is_misspelt(raw: str, at: int, key: str) -> bool:
    """Whether the key at `at` ends an opener whose word is nearly the right one."""
    behind = raw[at + len(key) : at + len(key) + 12].lstrip("\"'” \t\n")
    if behind[:1] not in (">", "＞"):
        return False
    found = _BEFORE_KEY.search(raw, max(0, at - 48), at)
    return found is not None and (alike(found["word"], "parameter") or "==" in found.group())


def _places(raw: str, text: str) -> Iterator[int]:
    at = raw.find(text)
    while at >= 0:
        yield at
        at = raw.find(text, at + len(text))


def _holds_closer(raw: str, words: set[str], free: frozenset[str], tool: Tool) -> bool:
    """What is nearly a closer of the value, and then a parameter that could still come."""
    for needle in ("<parameter", *(f"<{key}" for key in free)):
        for at in _places(raw, needle):
            found = _CLOSER.search(raw, max(0, at - 80), at)
            following = tag_at(raw, at) if found is not None else None
            if found is None or following is None or not any(alike(found["word"], one) for one in words):
                continue
            key = re.search(r"[\w.\-]+\s*[\"'”]?\s*\Z", following.rest)
            if (tool.key(key.group().strip(" \t\"'”")) if key else tool.key(following.word)) in free:
                return True
    return False


def _half_wrapped(raw: str, opener: Opener, tool: Tool) -> bool:
    """Half of CDATA, or, around what should be no text, half of `<value>`."""
    value = raw.strip()
    if value.startswith("<![CDATA["):
        inside, mark, behind = value.rpartition("]]>")
        if not mark or "<" in behind or ">" in behind or inside.startswith("<![CDATA[[") is not inside.endswith("]"):
            return True
    elif _CDATA_BROKEN.match(value) or (value.endswith(("]]>", "]]>>")) and _CDATA_NEARLY.match(value)):
        return True
    if is_file(opener.key) or "string" in (kinds(tool.schema(opener.key)) or ("string",)):
        return False
    whole = value.startswith("<value>") and value.endswith("</value>") and not value[7:].lstrip().startswith(">")
    whole = whole and "value>" not in value[7:-8]
    return not whole and ("<value" in value[:8] or "value>" in value[-8:])
