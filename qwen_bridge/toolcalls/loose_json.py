"""JSON as models write it: read strictly first, then with named relaxations, and never by choosing.

`read_json` gives the value at a position, where it ends, and which relaxations it took. A text that has two readings
is `Unreadable`; json-repair and its kind return something always, which is why the project does not use them (81 %
on the must-not cases of the corpus, toolcalls.md 4). The relaxations are the rows of `RELAXATIONS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from qwen_bridge.toolcalls.flaws import same
from qwen_bridge.toolcalls.surrogates import joined

RELAXATIONS: Mapping[str, str] = {
    "json.control_character": "a raw newline, tab or other control character inside a string",
    "json.trailing_comma": "a comma too many",
    "json.missing_comma": "no comma between two members",
    "json.bad_escape": "a backslash before a character that JSON does not escape",
    "json.single_quotes": "strings in single quotes",
    "json.unquoted_key": "a key without quotes",
    "json.unquoted_value": "one plain word without quotes as a value",
    "json.python_literal": "True, False or None",
    "json.unescaped_quote": "quotes inside a string that were not escaped, with one possible end",
    "json.missing_brace": "the closing braces are missing; every value is complete",
}
"""Name → what is wrong. A row is used only where it is the only reading."""

MAX_DEPTH = 64

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SINGLE = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_./~][\w./~:@-]*")
_KEY_WORD = re.compile(r"[^\W\d][\w-]*")
_NEXT_KEY = re.compile(r'\s*"(?:[^"\\\n]|\\u[0-9a-fA-F]{4}){1,80}"\s*:')
_DECOY = re.compile(r'"(?:[^"\\\n]|\\u[0-9a-fA-F]{4}){1,80}\\?"\s*:|"\s*,\s*["\']?\w{1,80}["\']{0,2}\s*:')
_END_OF_TEXT = re.compile(
    r"\s*(?:\Z|[<＜]\s*[/／]\s*[|｜]?\w*[|｜]?(?:tool|func|invoke|param|arg|call|think)|[<＜]\s*[/／][^<>＜＞\n]{1,80}[>＞]\s*\Z)"
)
_STRING_GOES_ON = re.compile(r"""[ \t]*["':\\]|[ \t]*,(?!\s*[{\[}\]])""")
_SECOND_END = re.compile(r"""["'][\s}\]]*\}\s*(?:\Z|[<＜]\s*/)""")
_NEXT_CALL = re.compile(r"[<＜]\s*(?:tool_?call|function|invoke)|\{\s*[\"']")
_CONTROL = re.compile(r"[\x00-\x1f]")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PYTHON = {"True": True, "False": False, "None": None}
_LITERALS = {"true": True, "false": False, "null": None}


class Unreadable(Exception):
    """No reading, or more than one. `open_end` says that the text ended inside a value."""

    def __init__(self, reason: str, *, open_end: bool = False) -> None:
        super().__init__(reason)
        self.open_end = open_end


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value, the index behind it, and the relaxations in the order of use.

    `repeated_key`: an object held a key twice, with different values. `missing`: how many brackets were not closed.
    """

    value: Any
    end: int
    repairs: tuple[str, ...] = ()
    repeated_key: bool = False
    missing: int = 0


def read_json(text: str, start: int = 0) -> JsonValue:
    """Read the value that starts at `start`; raise `Unreadable` where there is no single reading. Linear."""
    try:
        return _strict(text, start)
    except (ValueError, RecursionError):
        reader = _Reader(text)
        value, end = reader.value(start, 0)
        missing = reader.repairs.count("json.missing_brace")
        return JsonValue(value, end, tuple(dict.fromkeys(reader.repairs)), reader.repeated, missing)


def may_go_on(text: str, end: int) -> bool:
    """Whether a value that ended at `end` may end later: the rest looks like that of a string with raw quotes."""
    following = _NEXT_CALL.search(text, end)
    rest = text[end : following.start() if following else len(text)]
    return _STRING_GOES_ON.match(rest) is not None or _SECOND_END.search(rest) is not None


def _strict(text: str, start: int) -> JsonValue:
    repeated = False

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(members)
        if len(found) < len(members):
            repeated = repeated or not all(same(found[key], value) for key, value in members)
        return found

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_refuse, parse_float=_finite)
    value, end = decoder.raw_decode(text, start)
    return JsonValue(value, end, (), repeated)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(digits)
    return number


@dataclass(slots=True)
class _Reader:
    """Recursive descent with relaxations. Every method takes an index and returns a value and the index behind it."""

    text: str
    repairs: list[str] = field(default_factory=list)
    repeated: bool = False

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        if depth > MAX_DEPTH:
            raise Unreadable("too deep")
        at = self._skip(at)
        match self.text[at : at + 1]:
            case "{":
                return self.object(at, depth)
            case "[":
                return self.array(at, depth)
            case '"':
                return self.string(at, in_object=depth > 0)
            case "'":
                return self.single(at)
            case "":
                raise Unreadable("the text ends before a value", open_end=True)
            case _:
                return self.plain(at)

    def object(self, at: int, depth: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at += 1
        while not self._closes(at := self._commas(at, first=not members), "}"):
            key, at = self.key(at)
            at = self._skip(at)
            if self.text[at : at + 1] != ":":
                raise Unreadable("no colon after a key", open_end=at >= len(self.text))
            value, at = self.value(at + 1, depth + 1)
            self.repeated = self.repeated or (key in members and not same(members[key], value))
            members[key] = value
        return members, self._close(at, "}")

    def array(self, at: int, depth: int) -> tuple[list[Any], int]:
        items: list[Any] = []
        at += 1
        while not self._closes(at := self._commas(at, first=not items), "]"):
            if self.text[at : at + 1] == '"':
                value, at = self.string(at, in_object=False)
            else:
                value, at = self.value(at, depth + 1)
            items.append(value)
        return items, self._close(at, "]")

    def key(self, at: int) -> tuple[str, int]:
        found: re.Match[str] | None
        if found := _STRING.match(self.text, at):
            return self._decoded(found.group()[1:-1]), found.end()
        if found := _SINGLE.match(self.text, at):
            self.repairs.append("json.single_quotes")
            return self._decoded(found.group()[1:-1]), found.end()
        if found := _KEY_WORD.match(self.text, at):
            self.repairs.append("json.unquoted_key")
            return found.group(), found.end()
        raise Unreadable("no key where one must be", open_end=at >= len(self.text))

    def string(self, at: int, *, in_object: bool) -> tuple[str, int]:
        found = _STRING.match(self.text, at)
        if found is None:
            raise Unreadable("a string has no end", open_end=True)
        if self._delimited(found.end(), in_object):
            return self._decoded(found.group()[1:-1]), found.end()
        if in_object and _NEXT_KEY.match(self.text, found.end()):
            return self._decoded(found.group()[1:-1]), found.end()
        if not in_object:
            raise Unreadable("quotes inside a string of an array")
        return self._quotes_inside(at, found.end())

    def _quotes_inside(self, at: int, after: int) -> tuple[str, int]:
        """A string with raw quotes in it ends at the first quote that structure follows, if nothing else could."""
        for quote in re.compile(r'(?<!\\)"').finditer(self.text, after):
            if self._ends_member(quote.end()):
                body = self.text[at + 1 : quote.start()]
                if _DECOY.search(body) or body[:1] == '"' or body[-1:] == '"' or '\\\\"' in body:
                    raise Unreadable("quotes inside a string, with more than one possible end")
                self.repairs.append("json.unescaped_quote")
                return self._unescaped(body), quote.end()
        raise Unreadable("quotes inside a string, and no end", open_end=True)

    def single(self, at: int) -> tuple[str, int]:
        found = _SINGLE.match(self.text, at)
        if found is None:
            raise Unreadable("a string has no end", open_end=True)
        if not self._delimited(found.end(), True):
            raise Unreadable("quotes inside a string in single quotes")
        self.repairs.append("json.single_quotes")
        return self._decoded(found.group()[1:-1], quietly="'"), found.end()

    def plain(self, at: int) -> tuple[Any, int]:
        """A number, a literal, or one bare word."""
        if (number := _NUMBER.match(self.text, at)) and self._delimited(number.end(), True):
            return _number(number.group()), number.end()
        word = _WORD.match(self.text, at)
        if word is None or not self._delimited(word.end(), True):
            raise Unreadable("no value where one must be", open_end=word is not None and word.end() == len(self.text))
        name = word.group()
        if name in _LITERALS:
            return _LITERALS[name], word.end()
        if name in _PYTHON:
            self.repairs.append("json.python_literal")
            return _PYTHON[name], word.end()
        if name in ("NaN", "Infinity", "undefined"):
            raise Unreadable("a number that JSON does not have")
        self.repairs.append("json.unquoted_value")
        return name, word.end()

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _commas(self, at: int, *, first: bool) -> int:
        """Go over the comma before the next member, noting one too many and one too few."""
        seen = 0
        at = self._skip(at)
        while self.text[at : at + 1] == ",":
            seen += 1
            at = self._skip(at + 1)
        closing = self.text[at : at + 1] in ("}", "]", "") or bool(_END_OF_TEXT.match(self.text, at))
        if seen and (seen > 1 or first or closing):
            self.repairs.append("json.trailing_comma")
        if not seen and not first and not closing:
            self.repairs.append("json.missing_comma")
        return at

    def _closes(self, at: int, bracket: str) -> bool:
        return self.text[at : at + 1] == bracket or bool(_END_OF_TEXT.match(self.text, at))

    def _close(self, at: int, bracket: str) -> int:
        if self.text[at : at + 1] == bracket:
            return at + 1
        self.repairs.append("json.missing_brace")
        return at

    def _delimited(self, at: int, in_object: bool) -> bool:
        """Whether a value may end at `at`: a bracket, the end of the text or of the call, or a comma and a member."""
        at = self._skip(at)
        mark = self.text[at : at + 1]
        if mark == ",":
            return not in_object or self._member_follows(at + 1)
        return mark in ("}", "]", ":") or bool(_END_OF_TEXT.match(self.text, at))

    def _member_follows(self, at: int) -> bool:
        at = self._skip(at)
        return self.text[at : at + 1] in "\"'}],{[-0123456789" or bool(_KEY_WORD.match(self.text, at))

    def _ends_member(self, at: int) -> bool:
        """Stricter than `_delimited`, for a string whose end is in doubt: `,"key":` or closing braces to the end."""
        at = self._skip(at)
        mark = self.text[at : at + 1]
        if mark == ",":
            return bool(_NEXT_KEY.match(self.text, at + 1))
        return mark == "}" and bool(re.compile(r"[\s}\]]*(?:\Z|,\s*\"|[<＜])").match(self.text, at))

    def _decoded(self, body: str, quietly: str = "") -> str:
        """The string that `body` stands for; escapes that JSON does not have lose or keep their backslash."""
        if "\\" not in body:
            if _CONTROL.search(body):
                self.repairs.append("json.control_character")
            return body
        try:
            return str(json.loads(f'"{body}"', strict=True))
        except ValueError:
            return self._unescaped(body, quietly)

    def _unescaped(self, body: str, quietly: str = "") -> str:
        if _CONTROL.search(body):
            self.repairs.append("json.control_character")

        def one(found: re.Match[str]) -> str:
            mark = found.group(1)
            if mark in _ESCAPES:
                return _ESCAPES[mark]
            if len(mark) == 5:
                return chr(int(mark[1:], 16))
            if mark == "u":
                raise Unreadable("a broken \\u escape")
            if mark != quietly:
                self.repairs.append("json.bad_escape")
            return mark if mark in "'`" else f"\\{mark}"

        return joined(_ESCAPE.sub(one, body))


def _number(digits: str) -> int | float:
    try:
        return _finite(digits) if set(digits) & set(".eE") else int(digits)
    except ValueError:
        raise Unreadable("a number too large to hold") from None
