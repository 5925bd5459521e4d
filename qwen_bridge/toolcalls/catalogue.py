"""The tools a client declared, and which of them a name in the model's text means.

The order is the one of the policy (knowledge/toolcalls.md, 3.3): the exact name; the name with case, separators and
quotes folded, where one tool fits; a prefix that models put before names; the tail of an MCP name, where one tool
fits. There is no step that compares by likeness: a name that is none of these names no tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qwen_bridge.messages import ToolSpec

HARMLESS = frozenset(
    [
        "read",
        "read_file",
        "read_many_files",
        "readfile",
        "view",
        "view_file",
        "list",
        "list_files",
        "list_directory",
        "ls",
        "list_dir",
        "glob",
        "grep",
        "search",
        "search_files",
        "codebase_search",
        "search_code",
        "list_code_definition_names",
        "ask",
        "ask_user",
        "ask_followup_question",
        "attempt_completion",
        "plan_mode_respond",
    ]
)
"""Names that read, list, search or ask. Whatever is not here, and not marked by the user, counts as destructive."""

PATHS = ("path", "file_path", "filename")
QUESTIONS = ("follow_up", "suggestions")
KEY_ALIASES: tuple[tuple[str, ...], ...] = (PATHS, QUESTIONS)
"""Words for one parameter. They stand for each other only where the tool declares exactly one of them."""

_ELSEWHERE = frozenset(("patternProperties", "anyOf", "oneOf", "allOf", "$ref", "if", "unevaluatedProperties"))
"""Words of a schema behind which more parameters may be declared than its `properties` name."""

_PREFIX = re.compile(r"^(?:functions?|tools?|default_api)[.:/]")
_JOINTS = re.compile(r"__|--|[.:/]")
_FOLDED_AWAY = re.compile("[\\s_\\-\"'“”‘’`*]+")


def fold(name: str) -> str:
    """`name` without case, blanks, `_`, `-`, quotes and emphasis marks; two names that fold alike are one name."""
    return _FOLDED_AWAY.sub("", name).casefold()


@dataclass(frozen=True)
class Tool:
    """One declared tool. `harmless` means that running half of it cannot destroy anything."""

    spec: ToolSpec
    harmless: bool

    @property
    def name(self) -> str:
        return self.spec.name

    @cached_property
    def properties(self) -> Mapping[str, Any]:
        """Parameter name → schema; empty for a tool without a usable schema, which then takes any key."""
        properties = self.spec.parameters.get("properties") if isinstance(self.spec.parameters, Mapping) else None
        return properties if isinstance(properties, Mapping) else {}

    @cached_property
    def required(self) -> frozenset[str]:
        required = self.spec.parameters.get("required") if isinstance(self.spec.parameters, Mapping) else None
        return frozenset(str(key) for key in required) if isinstance(required, list | tuple) else frozenset()

    @cached_property
    def closed(self) -> bool:
        """Whether the schema forbids keys that it does not name."""
        return bool(self.properties) and self.spec.parameters.get("additionalProperties") is False

    def unknown(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of `keys` that the schema neither names nor leaves room for. Where it says nothing it leaves none."""
        return () if self._open else tuple(key for key in keys if key not in self.properties)

    @cached_property
    def _open(self) -> bool:
        schema = self.spec.parameters
        return not self.properties or bool(schema.get("additionalProperties")) or not _ELSEWHERE.isdisjoint(schema)

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        return _unambiguous((fold(key), key) for key in self.properties)

    def key(self, written: str) -> str | None:
        """The declared parameter that `written` means, or None."""
        if written in self.properties:
            return written
        if (folded := self._folded.get(fold(written))) is not None:
            return folded
        for group in KEY_ALIASES:
            if fold(written) in {fold(word) for word in group}:
                declared = [key for key in self.properties if fold(key) in {fold(word) for word in group}]
                return declared[0] if len(declared) == 1 else None
        return None

    def schema(self, key: str) -> Mapping[str, Any]:
        """The schema of the parameter `key`, or an empty one."""
        schema = self.properties.get(key)
        return schema if isinstance(schema, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Named:
    """What a written name means: the tool, and the repair that was needed ("" for none)."""

    tool: Tool
    repair: str = ""


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs as a dictionary, without the keys that stand for two values."""
    found: dict[str, str | None] = {}
    for key, value in pairs:
        found[key] = value if found.get(key, value) == value else None
    return {key: value for key, value in found.items() if value is not None}


def _segments(name: str) -> tuple[str, ...]:
    return tuple(fold(part) for part in _JOINTS.split(name) if part)


@dataclass(frozen=True)
class Catalogue:
    """The declared tools of one request.

    `harmless` are names the user or the list above marks as such; `aliases` maps a written name to a declared one
    where the user says so.
    """

    specs: Sequence[ToolSpec]
    harmless: frozenset[str] = HARMLESS
    aliases: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        """Exact name → tool, in the order declared; the first of two with one name counts."""
        harmless = {fold(name) for name in self.harmless}
        tools: dict[str, Tool] = {}
        for spec in self.specs:
            tools.setdefault(spec.name, Tool(spec, fold(spec.name) in harmless))
        return tools

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        return _unambiguous((fold(name), name) for name in self.tools)

    @cached_property
    def _tails(self) -> Mapping[tuple[str, ...], str]:
        """Every proper tail of a joined name that belongs to one tool alone."""
        tails: dict[tuple[str, ...], str | None] = {}
        for name in self.tools:
            segments = _segments(name)
            for start in range(1, len(segments)):
                tail = segments[start:]
                tails[tail] = name if tail not in tails else None
        return {tail: name for tail, name in tails.items() if name is not None}

    def resolve(self, written: str) -> Named | None:
        """The tool that `written` means, or None where it means none or could mean two."""
        if written in self.tools:
            return Named(self.tools[written])
        if written in self.aliases and self.aliases[written] in self.tools:
            return Named(self.tools[self.aliases[written]], "name.alias")
        if (folded := self._folded.get(fold(written))) is not None and fold(written):
            return Named(self.tools[folded], "name.folded")
        plain = _PREFIX.sub("", written.strip(" \t\r\n\"'"))
        if plain != written and (folded := self._folded.get(fold(plain))) is not None:
            return Named(self.tools[folded], "name.prefix")
        if (tail := self._tails.get(_segments(written))) is not None:
            return Named(self.tools[tail], "name.mcp_tail")
        return None

    def by_keys(self, keys: Iterable[str]) -> Tool | None:
        """The one tool whose parameters these are, if it is harmless: a destructive tool is never guessed."""
        written = frozenset(keys)
        if not written:
            return None
        fitting = [
            tool for tool in self.tools.values() if written <= tool.properties.keys() and tool.required <= written
        ]
        return fitting[0] if len(fitting) == 1 and fitting[0].harmless else None

    @cached_property
    def longest(self) -> int:
        """Length of the longest name in characters."""
        return max((len(name) for name in self.tools), default=0)
