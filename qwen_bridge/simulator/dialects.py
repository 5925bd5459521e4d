"""The forms in which Qwen's models write a tool call; one row each.

`hermes` is what Qwen2.5, Qwen3 and Max are trained on, `qwen_xml` what Qwen3-Coder and 3.5 and later are trained on,
`roo_xml` what the prompts of Roo and Cline teach, the two JSON forms what models fall back to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

type Arguments = Mapping[str, Any]


def _object(name: str, arguments: Arguments) -> str:
    return json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)


def _raw(value: object) -> str:
    """A value as the XML forms carry it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hermes(name: str, arguments: Arguments) -> str:
    return f"<tool_call>\n{_object(name, arguments)}\n</tool_call>"


def _qwen_xml(name: str, arguments: Arguments) -> str:
    parameters = "".join(f"<parameter={key}>\n{_raw(value)}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


def _roo_xml(name: str, arguments: Arguments) -> str:
    children = "".join(_roo_child(key, _raw(value)) for key, value in arguments.items())
    return f"<{name}>\n{children}</{name}>"


def _roo_child(key: str, value: str) -> str:
    """A value of several lines stands on lines of its own, as those prompts show it for file contents and diffs."""
    return f"<{key}>\n{value}\n</{key}>\n" if "\n" in value else f"<{key}>{value}</{key}>\n"


def _json_fence(name: str, arguments: Arguments) -> str:
    return f"```json\n{_object(name, arguments)}\n```"


DIALECTS: Mapping[str, Callable[[str, Arguments], str]] = {
    "hermes": _hermes,
    "qwen_xml": _qwen_xml,
    "roo_xml": _roo_xml,
    "json_fence": _json_fence,
    "bare_json": _object,
}


def write_call(dialect: str, name: str, arguments: Arguments) -> str:
    """The text of one call of tool `name` in `dialect`. Raises `KeyError` for a dialect that is not a row."""
    return DIALECTS[dialect](name, arguments)
