"""Clients that teach their own XML in the system prompt and send no `tools`: which tools they describe.

Roo Code up to 3.36 and Cline 3 describe each tool in a section of its own (clients.md A1, capture roo-code-3.36-xml)::

    ## write_to_file
    Description: …
    Parameters:
    - path: (required) …
    - content: (required) …
    Usage:
    <write_to_file>
    <path>…</path>
    …

What is read here decides which tags in the model's text are calls, so it is read from the prompt and not from a list:
another version of a client has other tools. A list is kept for one thing only: parameters that other versions of a
described tool had. Models write them out of habit (the recorded answers have `line_count`, which that prompt no longer
describes), the clients' parsers know or ignore them, and undeclared they would be taken for a piece of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from qwen_bridge.messages import ToolSpec

FEWEST: Final = 2
"""Sections of this form that make a prompt one of such a client."""

OTHER_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "write_to_file": ("line_count", "task_progress"),
    "apply_diff": ("start_line", "end_line"),
    "replace_in_file": ("task_progress",),
    "execute_command": ("cwd", "requires_approval", "timeout", "task_progress"),
    "attempt_completion": ("command", "task_progress"),
}
"""Parameters of Roo's and Cline's tools that not every version describes (clients.md A1)."""

_SECTION = re.compile(r"^#{2,3} (?P<name>[a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)
_PARAMETER = re.compile(r"^- (?P<name>[a-z][a-z0-9_]*): *(?P<must>\(required\))?", re.MULTILINE)
_TAG = re.compile(r"<(?P<name>[a-z][a-z0-9_]*)>")


def described_tools(prompt: str) -> tuple[ToolSpec, ...]:
    """The tools that a system prompt describes in XML; empty for the prompt of any other client.

    Every parameter is a string: that is all the XML can say.
    """
    if "Usage:" not in prompt:
        return ()
    found = [tool for name, section in _sections(prompt) if (tool := _tool(name, section)) is not None]
    return tuple(found) if len(found) >= FEWEST else ()


def _sections(prompt: str) -> Sequence[tuple[str, str]]:
    heads = list(_SECTION.finditer(prompt))
    ends = [*(head.start() for head in heads), len(prompt)][1:]
    return [(head.group("name"), prompt[head.end() : end]) for head, end in zip(heads, ends, strict=False)]


def _tool(name: str, section: str) -> ToolSpec | None:
    usage = re.search(rf"<{name}>(.*?)</{name}>", section, re.DOTALL)
    if usage is None or "Description:" not in section:
        return None
    listed = {found.group("name"): bool(found.group("must")) for found in _PARAMETER.finditer(section[: usage.start()])}
    for parameter in (*_outer_tags(usage.group(1)), *OTHER_VERSIONS.get(name, ())):
        listed.setdefault(parameter, False)
    schema = {
        "type": "object",
        "properties": {parameter: {"type": "string"} for parameter in listed},
        "required": [parameter for parameter, must in listed.items() if must],
    }
    return ToolSpec(name, "", schema)


def _outer_tags(body: str) -> Sequence[str]:
    """The tags at the top level of a usage block; what stands inside them is the parameter's own structure."""
    names: list[str] = []
    position = 0
    while (opener := _TAG.search(body, position)) is not None:
        names.append(opener.group("name"))
        closer = body.find(f"</{opener.group('name')}>", opener.end())
        position = closer if closer >= 0 else opener.end()
    return names
