"""Heads that are the tool's own tag: `<read_file>`, also with arguments as attributes, as Roo and Cline define it."""

from __future__ import annotations

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import Head
from qwen_bridge.toolcalls.tags import tag_at


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None. Only a declared tool has a tag."""
    tag = tag_at(text, at)
    if tag is None or tag.closing or not (tag.closed or (tag.plain and text[tag.end : tag.end + 1] == "\n")):
        return None
    named = catalogue.resolve(tag.word)
    if named is None or named.repair not in ("", "name.folded"):
        return None
    attributes = tag.attributes()
    if tag.rest.strip() and not attributes:
        return None
    return Head(
        tag.word,
        tag.end,
        "special_tokens" if tag.namespaced else "tool_tag_xml",
        attributes,
        tag.void,
        tag.namespaced,
        "head.attributes" if attributes else "" if tag.closed else "head.bracket_missing",
    )
