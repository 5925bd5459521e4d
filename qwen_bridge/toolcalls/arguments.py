"""Text and JSON values become arguments of the types that the tool's schema declares; nothing else decides.

A string stays a string, whatever it looks like. A text that is no value of the declared type is passed on as it is:
the client's own check says more than the bridge could. Keys that the tool does not declare stay, unless its schema
forbids them; the policy says whether a call may run with them. Nothing is added, and nothing is chosen: a parameter
with two values, or with one that two types claim, is a flaw.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from qwen_bridge.toolcalls.catalogue import Tool, fold
from qwen_bridge.toolcalls.flaws import Flaw, same
from qwen_bridge.toolcalls.loose_json import Unreadable, read_json

BODIES = frozenset(
    [
        "content",
        "diff",
        "patch",
        "code",
        "text",
        "body",
        "new_string",
        "old_string",
        "new_str",
        "old_str",
        "file_text",
        "new_text",
        "old_text",
        "insert_text",
        "contents",
        "file_content",
        "source_code",
        "script",
        "html",
        "markdown",
        "sql",
        "replace",
        "search",
        "command",
        "input",
        "message",
        "result",
    ]
)
"""Parameters that hold code or prose: nothing is ever unwrapped from them but the one delimiter newline."""

FILES = BODIES - frozenset(("command", "input", "search", "message", "result"))
"""Parameters whose value is a file or a part of one, even where it is one line."""

_BODIES = frozenset(fold(key) for key in BODIES)
_FILES = frozenset(fold(key) for key in FILES)
_FIRST_NEWLINE = re.compile(r"\A\r?\n")
_LAST_NEWLINE = re.compile(r"\r?\n\Z")
_CDATA = re.compile(r"\A\s*<!\[CDATA\[(.*)\]\]>\s*\Z", re.DOTALL)
_VALUE = re.compile(r"\A\s*<value>(.*)</value>\s*\Z", re.DOTALL)
_INTEGER = re.compile(r"-?\d+(?:\.0+)?")
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_DIGITS = 400


def from_text(tool: Tool, values: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], list[str], set[Flaw]]:
    """The arguments of a call in tag form.

    `values` are the raw texts between the tags. Returns the arguments, the repairs made, and what is doubtful: a
    parameter that is no list and came twice, and a `null` that may be text.
    """
    arguments: dict[str, Any] = {}
    repairs: list[str] = []
    flaws: set[Flaw] = set()
    for key, raw in values:
        schema = tool.schema(key)
        text = bare(key, raw, repairs)
        value = typed(text, schema)
        if value is None and _may_be_text(tool, key):
            flaws.add(Flaw.NULL_OR_TEXT)
        if key not in arguments:
            arguments[key] = value
        elif "array" in kinds(schema):
            earlier = arguments[key] if isinstance(arguments[key], list) else [arguments[key]]
            arguments[key] = [*earlier, *(value if isinstance(value, list) else [value])]
            repairs.append("param.repeated_list")
        elif is_body(key) or "\n" in raw.strip():
            flaws.add(Flaw.REPEATED)
        else:
            if not same(arguments[key], value):
                flaws.add(Flaw.TWO_VALUES)
            arguments[key] = value
            repairs.append("param.repeated_last")
    return arguments, repairs, flaws


def _may_be_text(tool: Tool, key: str) -> bool:
    """Whether the bare word `null` may be text as well as nothing.

    A model that had to write something, because the parameter is required or stands for nothing by default, wrote
    nothing (Roo's strict tools require every parameter, and depend on it). Whoever need not have written it may have
    meant the word. A list of values that does not hold the word decides too.
    """
    schema = tool.schema(key)
    if key in tool.required or ("default" in schema and schema["default"] is None):
        return False
    values = schema.get("enum")
    return "string" in kinds(schema) and not (isinstance(values, list | tuple) and "null" not in values)


def bare(key: str, raw: str, repairs: list[str]) -> str:
    """The value without its delimiters: one newline at each end, CDATA or `<value>` that encloses all of it."""
    value = _LAST_NEWLINE.sub("", _FIRST_NEWLINE.sub("", raw, count=1), count=1)
    if (found := _CDATA.match(value)) and "]]>" not in found[1] and "<![CDATA[" not in found[1]:
        repairs.append("value.cdata")
        return found[1]
    if not is_file(key) and (found := _VALUE.match(value)) and "<value>" not in found[1]:
        repairs.append("value.wrapper")
        return _LAST_NEWLINE.sub("", _FIRST_NEWLINE.sub("", found[1], count=1), count=1)
    return value


def ends_in_body(arguments: Mapping[str, Any]) -> bool:
    """Whether the last argument is a body: its closer, if nothing else was closed, may be part of it."""
    last = next(reversed(arguments), None) if isinstance(arguments, dict) else None
    value = arguments[last] if last is not None else None
    return isinstance(value, str) and ("\n" in value or is_file(str(last)))


def is_body(key: str) -> bool:
    """Whether a parameter of this name holds code or prose."""
    return fold(key) in _BODIES


def is_file(key: str) -> bool:
    """Whether a parameter of this name holds a file or a part of one."""
    return fold(key) in _FILES


def from_json(tool: Tool, members: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], set[Flaw]]:
    """The arguments of a call in JSON form; as `from_text`."""
    arguments: dict[str, Any] = {}
    repairs: list[str] = []
    flaws: set[Flaw] = set()
    for written, value in members.items():
        key = tool.key(written)
        if key is not None and key != written:
            repairs.append("key.folded")
        name = key if key is not None else written
        fitted = _fitted(value, tool.schema(name), repairs)
        if name in arguments and not same(arguments[name], fitted):
            flaws.add(Flaw.REPEATED)
        arguments[name] = fitted
    return arguments, repairs, flaws


def _fitted(value: Any, schema: Mapping[str, Any], repairs: list[str]) -> Any:
    """A JSON value of the wrong type where the right one is certain: text that holds it, one item for a list."""
    allowed = kinds(schema)
    if not allowed or "string" in allowed or not isinstance(value, str):
        return value
    fitted = typed(value, schema)
    if fitted is value and allowed == {"array"} and _takes_strings(schema) and value.lstrip()[:1] not in ("[", "{"):
        fitted = [value]
    if fitted is not value:
        repairs.append("value.type")
    return fitted


def _takes_strings(schema: Mapping[str, Any]) -> bool:
    items = schema.get("items")
    return not isinstance(items, Mapping) or not kinds(items) or "string" in kinds(items)


def kinds(schema: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """The JSON types that a schema allows; empty where it does not say."""
    found: set[str] = set()
    declared = schema.get("type")
    if isinstance(declared, str):
        found.add(declared.casefold())
    elif isinstance(declared, list | tuple):
        found.update(str(one).casefold() for one in declared)
    if schema.get("nullable") is True:
        found.add("null")
    for union in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(union)
        if isinstance(branches, list | tuple) and depth < 8:
            for branch in branches:
                found |= kinds(branch, depth + 1) if isinstance(branch, Mapping) else frozenset()
    if not found and isinstance(values := schema.get("enum"), list | tuple):
        found.update(_kind_of(value) for value in values)
    return frozenset(_SYNONYMS.get(kind, kind) for kind in found)


_SYNONYMS = {"int": "integer", "float": "number", "double": "number", "bool": "boolean", "str": "string",
             "text": "string", "list": "array", "dict": "object", "map": "object"}  # fmt: skip
"""Types as clients that write no JSON schema call them (vLLM's own tests declare `int` and `float`)."""


def _kind_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), "string")


def typed(text: str, schema: Mapping[str, Any]) -> Any:
    """`text` as the first of null, boolean, integer, number, list and object that the schema allows and it is."""
    allowed = kinds(schema)
    word = text.strip()
    if "null" in allowed and word == "null":
        return None
    if not allowed or "string" in allowed:
        return text
    if "boolean" in allowed and word.casefold() in ("true", "false"):
        return word.casefold() == "true"
    if (number := _number(word, allowed)) is not None:
        return number
    if allowed & {"array", "object"}:
        return _structured(text, word, schema, allowed)
    return text


def _number(word: str, allowed: frozenset[str]) -> int | float | None:
    if len(word) > _MAX_DIGITS:
        return None
    if allowed & {"integer", "number"} and _INTEGER.fullmatch(word):
        whole = word.partition(".")[0]
        return int(whole) if whole == word or "number" not in allowed else float(word)
    if "number" in allowed and _NUMBER.fullmatch(word):
        number = float(word)
        return number if math.isfinite(number) else None
    return None


def _structured(text: str, word: str, schema: Mapping[str, Any], allowed: frozenset[str]) -> Any:
    if word[:1] in ("[", "{"):
        try:
            read = read_json(word)
        except Unreadable:
            return text
        fits = (isinstance(read.value, list) and "array" in allowed) or (
            isinstance(read.value, dict) and "object" in allowed
        )
        return read.value if fits and read.end == len(word) and "json.missing_brace" not in read.repairs else text
    if len(word) > 2 and word[0] == word[-1] and word[0] in "\"'":
        return _unquoted(text, word, schema, allowed)
    if word[:1] == "<" and (value := from_markup(word, schema)) is not None:
        return value
    return text


def _unquoted(text: str, word: str, schema: Mapping[str, Any], allowed: frozenset[str]) -> Any:
    """A list or an object that was written into a string, with its quotes escaped or of the other sort."""
    try:
        read = read_json(word)
        inner = read.value if read.end == len(word) else word[1:-1]
    except Unreadable:
        inner = word[1:-1]
    if not isinstance(inner, str) or inner.strip()[:1] not in ("[", "{"):
        return text
    value = _structured(inner, inner.strip(), schema, allowed)
    return text if value is inner else value


def from_markup(text: str, schema: Mapping[str, Any]) -> Any:
    """A list or an object that the model wrote as XML, where the schema wants one; None where it is not well-formed.

    This is the one place where a value is parsed as XML, and only because its type says that it is no text.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=False, huge_tree=False)
    try:
        root = etree.fromstring(f"<value>{text}</value>", parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if (root.text or "").strip() or len(root) == 0:
        return None
    return _element(root, schema)


def _element(node: etree._Element, schema: Mapping[str, Any]) -> Any:
    allowed = kinds(schema)
    children = [child for child in node if isinstance(child.tag, str)]
    if "array" in allowed:
        items = schema.get("items")
        item_schema = items if isinstance(items, Mapping) else {}
        return [_element(child, item_schema) for child in children]
    if children and ("object" in allowed or not allowed):
        properties = schema.get("properties")
        declared = properties if isinstance(properties, Mapping) else {}
        members: dict[str, Any] = {}
        for child in children:
            tag = str(child.tag)
            value = _element(child, declared.get(tag, {}))
            if tag in members:
                members[tag] = [*members[tag], value] if isinstance(members[tag], list) else [members[tag], value]
            else:
                members[tag] = value
        return members
    return typed("".join(str(part) for part in node.itertext()), schema)
