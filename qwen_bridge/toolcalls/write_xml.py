"""Calls as XML clients (Roo, Cline) read them; None where their parser would not read what was meant.

The clients match exact tags in raw text (client-parsers.md): every value ends at the first closer of its name, but
`content` at the last one before the tool's closer; a parameter tag behind an inner closer starts that parameter; the
first closer of the tool ends it. Hence the order and the refusals below.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lxml import etree

from qwen_bridge.toolcalls.catalogue import Tool

BODY = "content"
"""The one parameter whose value may hold its own closer (`write_to_file` and its kind)."""

MULTILINE = frozenset(("content", "diff", "result", "todos", "message", "args", "follow_up"))
_XML = frozenset(("args", "follow_up"))


def written(tool: Tool, arguments: Mapping[str, Any]) -> str | None:
    """The canonical XML of a call, ending with a newline; None if it cannot be expressed."""
    values = {key: _text(key, value) for key, value in arguments.items()}
    if not all(_expressible(tool, key, value, values) for key, value in values.items()):
        return None
    body = values.get(BODY)
    keys = list(values)
    if body is not None and f"</{BODY}>" in body:
        keys = [BODY, *(key for key in keys if key != BODY)]
    parameters = "".join(_parameter(key, values[key]) for key in keys)
    return f"<{tool.name}>\n{parameters}</{tool.name}>\n"


def _parameter(key: str, value: str) -> str:
    """Body parameters stand on lines of their own; Roo takes exactly one newline off each end of `content`."""
    if key in MULTILINE or "\n" in value:
        return f"<{key}>\n{value}\n</{key}>\n"
    return f"<{key}>{value}</{key}>\n"


def _expressible(tool: Tool, key: str, value: str, values: Mapping[str, str]) -> bool:
    closer, end = f"</{key}>", f"</{tool.name}>"
    if not key or any(mark in key for mark in "<>/ \n") or end in value:
        return False
    if key != BODY:
        return closer not in value
    if closer not in value:
        return True
    behind = value[value.index(closer) :]
    if behind.removeprefix(closer).lstrip().startswith(f"</{tool.name}>"):
        return False
    # The client looks at parameter tags behind an inner closer; only what is written after the body undoes that.
    opened = [other for other in tool.properties if f"<{other}>" in behind]
    return all(other in values and other != BODY and f"</{other}>" in behind for other in opened)


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if key in _XML and isinstance(value, dict | list):
        return _markup(key, value)
    return json.dumps(value, ensure_ascii=False)


def _markup(key: str, value: Any) -> str:
    """`args` and `follow_up` are XML by contract (clients.md A1): a structure is written as elements."""
    root = etree.Element("root")
    items = value if isinstance(value, list) else [value]
    for item in items:
        if key == "follow_up":
            _suggestion(root, item)
        else:
            _members(root, item)
    return "\n".join(etree.tostring(child, encoding="unicode") for child in root)


def _suggestion(root: etree._Element, item: Any) -> None:
    element = etree.SubElement(root, "suggest")
    if isinstance(item, Mapping):
        element.text = str(item.get("text", item.get("answer", item.get("suggest", ""))))
        if isinstance(item.get("mode"), str):
            element.set("mode", item["mode"])
    else:
        element.text = str(item)


def _members(parent: etree._Element, value: Any) -> None:
    if not isinstance(value, Mapping):
        parent.text = _text("", value)
        return
    for key, one in value.items():
        for item in one if isinstance(one, list) else [one]:
            _members(etree.SubElement(parent, str(key)), item)
