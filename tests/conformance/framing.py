"""An event stream and JSON, read as strictly as they should be written.

After WHATWG's "event stream interpretation", but with everything refused that OpenAI's servers never write: fields
other than `data`, events of several lines, a last event without its empty line. Comments are allowed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

_LINE_END = re.compile(r"\r\n|\n|\r")


class Mark(Enum):
    """A value of its own for `data: [DONE]`, which is not the JSON string of the same look."""

    DONE = "[DONE]"


DONE = Mark.DONE


def read_events(raw: bytes) -> tuple[list[Any], list[str]]:
    """Return the decoded data of every event, `DONE` for the end mark, and the faults of the frame in words."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return [], ["the stream is not UTF-8"]
    payloads: list[Any] = []
    found: list[str] = []
    data: list[str] = []
    *lines, unended = _LINE_END.split(text)
    for line in lines:
        if not line:
            found += _dispatch(data, payloads)
            data = []
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            if field != "data":
                found.append(f"a field that is not data: {field[:20]!r}")
            data.append(value.removeprefix(" "))
    if data or unended:
        found.append("the last event is not ended by an empty line")
    return payloads, found


def strict_json(text: str) -> Any:
    """Decode JSON; `NaN` and a key given twice raise `ValueError` as other faults do."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)


def _dispatch(data: list[str], payloads: list[Any]) -> Iterator[str]:
    if not data:
        return
    if len(data) > 1:
        yield f"an event of {len(data)} data lines"
    text = "\n".join(data)
    try:
        payloads.append(DONE if text == DONE.value else strict_json(text))
    except (ValueError, RecursionError):
        yield "data that is not JSON"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key twice")
    return made


def _refuse(word: str) -> Any:
    raise ValueError(word)
