"""Calls as XML clients (Roo, Cline) read them; None where their parser would not read what was meant.

Canonical form: the tool's tag on its own line, one line per short parameter, a body on lines of its own. The body
stands first where it holds its own closing tag: whatever it opens behind that closer is then set right by the real
parameters that follow (toolcalls.md 3.5). What was written is read back with `client_reader`, and not sent if it
would arrive changed by more than the client's own trimming.

That holds for a value of more than 100 KiB too, the body apart, although toolcalls.md 3.2 only wants a warning there:
Roo was seen to cut a `diff` of 110 kB without a word, and to run it (clients.md A2). A warning comes too late for that.
Cline has no such limit, but what reaches this room does not say which of the two will read the answer.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lxml import etree

from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.client_reader import BODY, read_answer

MULTILINE = frozenset((BODY, "diff", "result", "todos", "message", "args", "follow_up"))
"""Parameters that stand on lines of their own."""

STRUCTURED = frozenset(("args", "follow_up"))
"""Parameters that are XML by contract (clients.md A1): a list or an object is written as elements."""


CLIENT_PARAMETERS = frozenset(
    (
        "path", "content", "diff", "command", "cwd", "regex", "file_pattern", "recursive", "query", "action",
        "url", "coordinate", "text", "size", "server_name", "tool_name", "arguments", "uri", "question",
        "follow_up", "options", "result", "task_progress", "mode_slug", "reason", "mode", "message", "todos",
        "task", "args", "line", "line_count", "start_line", "end_line", "search", "replace", "use_regex",
        "ignore_case", "operations", "file_path", "old_string", "new_string", "patch", "prompt", "image",
        "context", "requires_approval", "timeout", "response", "needs_more_exploration", "title",
        "what_happened", "steps_to_reproduce", "api_request_output", "additional_context",
    )
)  # fmt: skip
"""The parameters of Roo's and Cline's own tools (clients.md A1). Their parsers have one list of names for all tools, so
an opener of any of them counts inside a call of any tool, whichever tools the prompt describes."""


def written(tool: Tool, arguments: Mapping[str, Any], names: Collection[str] = ()) -> str | None:
    """The XML of a call, ending with a newline; None if the client would read something else.

    `names` are further parameter names that the client knows, those of the other tools above all.
    """
    values = {key: _text(key, value) for key, value in arguments.items()}
    order = list(values)
    if f"</{BODY}>" in values.get(BODY, ""):
        order = [BODY, *(key for key in values if key != BODY)]
    xml = _render(tool.name, ((key, values[key]) for key in order))
    return xml if _arrives(tool, values, xml, CLIENT_PARAMETERS.union(names)) else None


def _render(name: str, values: Iterable[tuple[str, str]]) -> str:
    lines = [f"<{name}>"]
    for key, value in values:
        lines.append(f"<{key}>\n{value}\n</{key}>" if key in MULTILINE or "\n" in value else f"<{key}>{value}</{key}>")
    return "\n".join([*lines, f"</{name}>", ""])


def _arrives(tool: Tool, values: Mapping[str, str], xml: str, names: Collection[str]) -> bool:
    keys = [*tool.properties, *values, *names]
    calls = read_answer(xml, {tool.name: keys})
    if len(calls) != 1 or not calls[0].finished or calls[0].name != tool.name:
        return False
    meant = {key: value if key == BODY else value.strip() for key, value in values.items()}
    return dict(calls[0].values) == meant


def _text(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if key in STRUCTURED and isinstance(value, dict | list):
        return _markup(key, value)
    return json.dumps(value, ensure_ascii=False)


def _markup(key: str, value: Any) -> str:
    root = etree.Element("root")
    for item in value if isinstance(value, list) else [value]:
        if key == "follow_up":
            _suggestion(root, item)
        else:
            _members(root, item)
    return "\n".join(etree.tostring(child, encoding="unicode") for child in root)


def _suggestion(root: etree._Element, item: Any) -> None:
    """`<suggest mode="…">text</suggest>`."""
    element = etree.SubElement(root, "suggest")
    if isinstance(item, Mapping):
        element.text = _xml_text(item.get("text", item.get("answer", item.get("suggest", ""))))
        if isinstance(item.get("mode"), str):
            element.set("mode", _xml_text(item["mode"]))
    else:
        element.text = _xml_text(item)


def _members(parent: etree._Element, value: Any) -> None:
    """`{"file": [{"path": "a"}]}` as `<file><path>a</path></file>`."""
    if not isinstance(value, Mapping):
        parent.text = _xml_text(value)
        return
    for key, one in value.items():
        for item in one if isinstance(one, list) else [one]:
            _members(etree.SubElement(parent, _xml_name(key)), item)


def _xml_name(key: Any) -> str:
    name = "".join(character for character in str(key) if character.isalnum() or character in "_-.")
    return name if name[:1].isalpha() else f"_{name}"


def _xml_text(value: Any) -> str:
    """The text of a value without the characters that no XML can hold."""
    text = _text("", value)
    return "".join(character for character in text if character in "\t\n\r" or " " <= character <= "\ud7ff"
                   or "\ue000" <= character <= "\ufffd" or character > "\uffff")  # fmt: skip
