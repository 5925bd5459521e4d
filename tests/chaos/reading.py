"""An answer's context read back where tools are used: the words in which calls and results travel, undone.

`tests/harness/effective.py` reads borders, files and instructions. What a model is taught about tools lies inside the
parts: calls as the model writes them, results in `<tool_response>`, a reminder behind the last part. Read from the
wording alone, as strictly as possible: what is not exactly of that form stays as it is, and is then found wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.harness.effective import Context, Part, context_of, history_of

_CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)
_FUNCTION = re.compile(r"<function=([^>\n]+)>\n(.*)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n(.*?)\n</parameter>\n", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>\n[^\n]*:\n(.*)\n</tool_response>", re.DOTALL)
_REMINDER = re.compile(
    r"(?:\n\n\(You have answered this before[^\n]*\))?(?:\n\n\(To use a tool, write .*\))?\Z", re.DOTALL
)
NOT_RUN = re.compile(r"^\((?:The call to [^\n]{1,80}?|A tool call) [^\n]* and was not run\.\)[ \t]*$", re.MULTILINE)
"""What a client is told about a call that was not whole; the model never hears it as words of its own."""


class Key(NamedTuple):
    """A conversation as something that can be compared and kept in a set."""

    instructions: str
    parts: tuple[Part, ...]


class Said(NamedTuple):
    """What an answer says: its words, and its calls as (name, arguments written in one way)."""

    text: str
    calls: tuple[tuple[str, str], ...]


def context_key(turn: Mapping[str, Any]) -> Key:
    """What the answer of a ledger's turn was given in."""
    return _key(context_of(turn))


def history_key(messages: Iterable[Mapping[str, Any]]) -> Key:
    """What a client sent."""
    return _key(history_of(messages))


def said_by(text: str) -> Said:
    """What Qwen's raw answer says."""
    calls = tuple(_call(found[1]) for found in _CALL.finditer(text))
    return Said(_CALL.sub("", text).strip() if calls else text.strip(), calls)


def _key(context: Context) -> Key:
    return Key(context.instructions, tuple(part for raw in context.parts for part in _undone(raw)))


def _undone(part: Part) -> Iterator[Part]:
    text = _REMINDER.sub("", part.text)
    speaker, _, name = part.speaker.partition(" ")
    match speaker:
        case "assistant":
            said = said_by(NOT_RUN.sub("", text))
            if said.text or not (said.calls or NOT_RUN.search(text)):
                yield Part("assistant", said.text)
            yield from (Part(f"calls {called}", arguments) for called, arguments in said.calls)
        case "calls":
            found = _CALL.fullmatch(text)
            yield Part(part.speaker, _call(found[1])[1] if found and _call(found[1])[0] == name else text)
        case "result":
            response = _RESPONSE.fullmatch(text)
            yield Part(part.speaker, response[1] if response else text)
        case _:
            yield Part(part.speaker, text)


def _call(inside: str) -> tuple[str, str]:
    """Name and arguments of what stands between the tags of a call."""
    function = _FUNCTION.fullmatch(inside)
    if function is not None:
        values = {found[1]: found[2] for found in _PARAMETER.finditer(function[2])}
        return function[1], json.dumps(values, sort_keys=True)
    try:
        value = json.loads(inside)
        return str(value["name"]), json.dumps(value["arguments"], sort_keys=True)
    except (ValueError, KeyError, TypeError):
        return "", inside
