"""Heads with a word that says that a name follows: `<function=X>`, `<invoke name="X">`, `<name>X</name>`, and drift.

Seen in the corpus: a lost `<` or `>`, quotes on one side, blanks, `<funcname>X`, `<function X>`, the name on the next
line, and the Coder head after a JSON brace (`{"function=X>`). One pattern reads them all.
"""

from __future__ import annotations

import re
from functools import lru_cache

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import ATTRIBUTES, QUOTES, Head, name_pattern, names_of
from qwen_bridge.toolcalls.tags import NAMESPACE, Tag, tag_at

WORDS = [
    "function_name",
    "func_name",
    "funcname",
    "function",
    "functions",
    "func",
    "tool_name",
    "toolname",
    "use_tool",
    "call_tool",
    "tool",
    "invoke_name",
    "invoke",
    "name",
    "call",
]
"""Words that announce a name, the longer ones first."""

_ALTERNATIVES = "|".join(WORDS)
_INVOKE = ("invoke", "invoke_name")


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    gap = rf"(?P<gap>\s*(?:[=:>]|\bname\s*[=:]|(?<=\w)\s)[\s{QUOTES}=:>]*(?:name[{QUOTES}]?\s*[=:]\s*[{QUOTES}]?)?)"
    after = (
        rf"(?P<after>\s*[{QUOTES}]?(?P<attributes>{ATTRIBUTES})\s*(?P<void>[/／])?\s*"
        rf"(?:[>＞]|</\s*(?:{_ALTERNATIVES}|parameter)\s*>|,|(?=[\n<＜{{(])|\Z))"
    )
    opening = rf"(?:(?P<open>[<＜])[ \t]*(?P<space>{NAMESPACE})|(?P<brace>\{{\s*[{QUOTES}]?)|)"
    return re.compile(
        rf"{opening}(?P<word>{_ALTERNATIVES})(?![\w\-]){gap}(?P<name>{name_pattern(names, generic=True)}){after}"
    )


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None. A head without `<` needs `=` behind its word."""
    if (head := _with_name_attribute(text, at)) is not None:
        return head
    found = _pattern(names_of(catalogue)).match(text, at)
    if found is None:
        return None
    if not found["open"] and "=" not in found["gap"] and not (found["brace"] and found["after"].lstrip()[:1] != ","):
        return None
    inner = re.sub(r"[>＞].*", "", found["after"], flags=re.DOTALL)
    tag = Tag(0, 0, "head", inner, closing=False, void=False, closed=True)
    return Head(
        found["name"],
        found.end(),
        "invoke_xml" if found["word"] in _INVOKE else "qwen3_coder_xml" if not found["brace"] else "mixed",
        tag.attributes() if found["attributes"] else {},
        found["void"] is not None,
        bool(found["space"]) or found["open"] == "＜",
        "" if _is_regular(text, found) else "head.drift",
        found["word"],
    )


def _with_name_attribute(text: str, at: int) -> Head | None:
    """`<function id="1" name="X">`: the name is an attribute among others."""
    tag = tag_at(text, at)
    if tag is None or tag.closing or not tag.closed or tag.word not in WORDS:
        return None
    attributes = tag.attributes()
    name = attributes.pop("name", "")
    if not name or not tag.rest.lstrip().startswith(("name", "id", "type")):
        return None
    dialect = "invoke_xml" if tag.word in _INVOKE else "qwen3_coder_xml"
    repair = "" if tag.word == "invoke" else "head.drift"
    return Head(name, tag.end, dialect, attributes, tag.void, tag.namespaced, repair, tag.word)


def _is_regular(text: str, found: re.Match[str]) -> bool:
    """Whether the head is written as the dialect has it."""
    tag = tag_at(text, found.start())
    if tag is None or not tag.closed:
        return False
    return (tag.word == "function" and tag.rest == f"={found['name']}") or tag.word == "invoke"
