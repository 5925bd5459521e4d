"""How Roo and Cline read an answer: a model of their XML parsers, from observed behaviour (client-parsers.md 1-3).

They match exact `<name>` tags of known tools and parameters, wherever these stand. A value ends at the first closer
of its name, except that the body of a tool is, in the end, what stands between the first opener and the *last*
closer of `content`. While a value is open nothing else is looked for. A later parameter of one name replaces the
earlier. What is unfinished when the text ends is finished by the client, and run.

`write_xml` reads back with it what it wrote: what would arrive changed is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BODY = "content"
"""The parameter that may hold its own closer, and that is not trimmed."""

MAX_VALUE = 100 * 1024
"""Characters; Roo cuts a longer value without a word, but not the body (clients.md A2)."""


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A call as the client would run it. `finished` is false where the client closed it by itself."""

    name: str
    values: Mapping[str, str]
    finished: bool


def read_answer(text: str, tools: Mapping[str, Iterable[str]]) -> list[ClientCall]:
    """The calls that a client with these `tools` (name → parameter names) would run."""
    found: list[ClientCall] = []
    openers = _any_tag(tools)
    parameters = _any_tag({key for keys in tools.values() for key in keys})
    at = 0
    while (opener := openers.search(text, at)) is not None:
        call, at = _read_tool(text, opener.end(), opener[1], parameters)
        found.append(call)
    return found


def _any_tag(names: Iterable[str]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    return re.compile(f"<({alternatives})>" if alternatives else "(?!)")


def _read_tool(text: str, start: int, name: str, parameters: re.Pattern[str]) -> tuple[ClientCall, int]:
    """Read one tool whose opener ends at `start`; also return the index behind it."""
    end = f"</{name}>"
    values: dict[str, str] = {}
    at = start
    while True:
        opener = parameters.search(text, at)
        close = text.find(end, at)
        if close >= 0 and (opener is None or close < opener.start()):
            return ClientCall(name, _with_body(values, text[start:close]), True), close + len(end)
        if opener is None:
            return ClientCall(name, values, False), len(text)
        key = opener[1]
        stop = text.find(f"</{key}>", opener.end())
        values[key] = _trimmed(key, text[opener.end() : stop if stop >= 0 else len(text)])
        if stop < 0:
            return ClientCall(name, values, False), len(text)
        at = stop + len(key) + 3


def _with_body(values: dict[str, str], inside: str) -> dict[str, str]:
    """The body once more, now to its last closer."""
    first, last = inside.find(f"<{BODY}>"), inside.rfind(f"</{BODY}>")
    if BODY in values and first >= 0 and last > first:
        values[BODY] = _trimmed(BODY, inside[first + len(BODY) + 2 : last])
    return values


def _trimmed(key: str, value: str) -> str:
    """Roo takes one newline off each end of the body, and trims and cuts everything else."""
    if key == BODY:
        return value.removeprefix("\n").removesuffix("\n")
    return value.strip()[:MAX_VALUE]
