"""Arguments written like a function call: `get_weather(city="Oslo", days=2)`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_bridge.toolcalls.loose_json import Unreadable, read_json
from qwen_bridge.toolcalls.tags import after_space

_KEY = re.compile(r"(?P<key>[^\W\d]\w*)\s*[=:]\s*")


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments, and the index behind the closing bracket."""

    arguments: Mapping[str, Any]
    end: int


def read_signature(text: str, at: int) -> Signature | None:
    """Read `(key=value, …)` at `at`; None where it is not exactly that. Values are JSON or Python literals."""
    if text[at : at + 1] != "(":
        return None
    arguments: dict[str, Any] = {}
    at = after_space(text, at + 1)
    if text[at : at + 1] == "{":
        return _object(text, at)
    while text[at : at + 1] != ")":
        key = _KEY.match(text, at)
        if key is None or key["key"] in arguments:
            return None
        try:
            value, at = _value(text, key.end())
        except Unreadable:
            return None
        arguments[key["key"]] = value
        at = after_space(text, at)
        if text[at : at + 1] == ",":
            at = after_space(text, at + 1)
        elif text[at : at + 1] != ")":
            return None
    return Signature(arguments, at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    found = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\'[^\'\\]*(?:\\.[^\'\\]*)*\'|[^\s,()"\'\[\]{}]+', re.DOTALL).match(
        text, at
    )
    if found is None:
        read = read_json(text, at)
        return read.value, read.end
    return read_json(found.group()).value, found.end()


def _object(text: str, at: int) -> Signature | None:
    try:
        read = read_json(text, at)
    except Unreadable:
        return None
    end = after_space(text, read.end)
    return Signature(read.value, end + 1) if isinstance(read.value, dict) and text[end : end + 1] == ")" else None
