"""Which calls a JSON value holds: one object, a list, an envelope around them, keys under other names.

Key drift is a closed list of words (knowledge/toolcalls.md 3.3). A name that is no string names nothing, and keys
never choose the tool while a name is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.loose_json import Unreadable, read_json
from qwen_bridge.toolcalls.surrogates import holds_surrogate

NAMES = ("name", "tool_name", "tool", "function", "function_name", "toolName", "recipient_name")
ARGUMENTS = ("arguments", "parameters", "params", "args", "input", "tool_input", "argument", "kwargs")
ENVELOPES = ("tool_calls", "toolCalls", "calls", "function_calls", "tool_call", "tool_uses", "function_call")
_META = frozenset(("id", "type", "index", "call_id", "thought"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One call of the value. `arguments` is None where they cannot be read; `scalar` is a lone string argument.

    `beside` are other members that stand beside the name and the arguments.
    """

    name: str | None
    arguments: Mapping[str, Any] | None
    repairs: tuple[str, ...] = ()
    scalar: str | None = None
    beside: tuple[str, ...] = ()


def calls_in(value: Any, catalogue: Catalogue, *, wrapped: bool) -> list[Entry] | None:
    """The calls that `value` holds, in order; None where it is no call.

    Outside a wrapper a call needs a name and an arguments key, so that JSON that only looks alike stays text.
    """
    if isinstance(value, str):
        return _double_encoded(value, catalogue) if wrapped else None
    if isinstance(value, list):
        return _list(value, catalogue, wrapped=wrapped)
    if not isinstance(value, dict):
        return None
    for key in ENVELOPES:
        inner = value.get(key)
        if isinstance(inner, dict | list) and len(value) <= 2:
            found = calls_in(inner, catalogue, wrapped=wrapped)
            return found and _noted(found, "json.envelope")
    if isinstance(value.get("function"), dict):
        found = calls_in({**value, **value["function"], "function": None}, catalogue, wrapped=wrapped)
        return found and _noted(found, "json.envelope")
    entry = _object(value, catalogue, wrapped=wrapped)
    return [entry] if entry is not None else None


def _noted(entries: list[Entry], repair: str) -> list[Entry]:
    return [replace(one, repairs=(repair, *one.repairs)) for one in entries]


def _double_encoded(value: str, catalogue: Catalogue) -> list[Entry] | None:
    if value.lstrip()[:1] not in ("{", "["):
        return None
    try:
        read = read_json(value.strip())
    except Unreadable:
        return None
    if isinstance(read.value, str) or value.strip()[read.end :].strip():
        return None
    found = calls_in(read.value, catalogue, wrapped=True)
    return found and _noted(found, "json.double_encoded")


def _list(value: list[Any], catalogue: Catalogue, *, wrapped: bool) -> list[Entry] | None:
    entries: list[Entry] = []
    for one in value:
        found = calls_in(one, catalogue, wrapped=wrapped) if isinstance(one, dict) else None
        if found is None:
            return None
        entries.extend(found)
    return _noted(entries, "json.envelope") if entries else None


def _object(value: dict[str, Any], catalogue: Catalogue, *, wrapped: bool) -> Entry | None:
    name_key = next((key for key in NAMES if isinstance(value.get(key), str)), None)
    arguments_key = next((key for key in ARGUMENTS if key in value), None)
    if name_key is None:
        return _without_name(value, arguments_key, catalogue) if wrapped else None
    name = str(value[name_key])
    repairs = ("json.key_drift",) if name_key != "name" or arguments_key not in ("arguments", None) else ()
    if arguments_key is not None:
        known = (name_key, arguments_key, *_META)
        others = tuple(key for key in value if key not in known and not _emptied(key, value[key]))
        return replace(_entry(name, value[arguments_key], repairs), beside=others)
    if not wrapped:
        return None
    rest = {key: one for key, one in value.items() if key not in (name_key, *_META) and not _emptied(key, one)}
    return Entry(name, rest, (*repairs, "json.flat_arguments") if rest else repairs)


def _emptied(key: str, value: Any) -> bool:
    """Whether this is the `function` whose members stand here in its place."""
    return key == "function" and value is None


def spelled(name: str) -> str:
    """A name as written between quotes, without JSON's escapes."""
    if "\\" not in name:
        return name
    try:
        return str(json.loads(f'"{name}"'))
    except ValueError:
        return name


def _without_name(value: dict[str, Any], arguments_key: str | None, catalogue: Catalogue) -> Entry | None:
    """`{"TOOL": {…}}` names its tool by a key; `{"arguments": {…}}` and plain arguments name none."""
    if any(key in value for key in NAMES):
        return None
    if len(value) == 1:
        key, inner = next(iter(value.items()))
        if isinstance(inner, dict) and catalogue.resolve(key) is not None:
            return Entry(key, inner, ("json.name_as_key",))
    return _entry(None, value[arguments_key] if arguments_key else value, ())


def _entry(name: str | None, arguments: Any, repairs: tuple[str, ...]) -> Entry:
    if arguments is None:
        return Entry(name, {}, repairs)
    if isinstance(arguments, dict):
        return Entry(name, arguments, repairs)
    if not isinstance(arguments, str):
        return Entry(name, {} if arguments == [] else None, repairs)
    text = arguments.strip()
    if not text:
        return Entry(name, {}, repairs)
    if not text.startswith("{"):
        return Entry(name, None, repairs, scalar=arguments)
    try:
        read = read_json(text)
    except Unreadable:
        return Entry(name, None, repairs)
    whole = isinstance(read.value, dict) and not text[read.end :].strip() and "json.missing_brace" not in read.repairs
    return Entry(name, read.value if whole else None, (*repairs, "json.arguments_as_text", *read.repairs))


def written(arguments: Mapping[str, Any]) -> str:
    """The arguments as JSON text. A lone surrogate, which UTF-8 cannot carry, is written as its escape."""
    text = json.dumps(arguments, ensure_ascii=False)
    return json.dumps(arguments, ensure_ascii=True) if holds_surrogate(text) else text
