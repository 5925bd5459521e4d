"""The script: prepared answers, taken in order by the requests that pass the rules."""

from __future__ import annotations

import base64
import binascii
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qwen_bridge.simulator.delivery import Cut, recut
from qwen_bridge.simulator.faults import FAULTS, Fault, Knobs
from qwen_bridge.simulator.frames import Age
from qwen_bridge.simulator.local_tools import are_calls
from qwen_bridge.simulator.plan import ReasoningPhase

type Target = Literal["completions", "chats/new"]
"""Which requests an entry waits for."""


class ScriptError(ValueError):
    """The script cannot be used; the text names the entry, the key and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One prepared answer; what is None is left to the model or the settings.

    `paced` tells whether the entry sets `pace` at all: an explicit null means no pause. `raw` is streamed verbatim as
    the body in place of all frames; `text` is then what the tree keeps. `cut` says in what pieces the body is sent.
    `calls` come on the client's channel (`local_tools.py`), behind the text.
    `on` is `chats/new` for a fault that meets the next request for a new chat; such an entry has a fault that refuses
    or breaks, and nothing else.
    """

    text: str | None = None
    reasoning: str | None = None
    chunk: int | None = None
    pace: float | None = None
    paced: bool = False
    fault: str | None = None
    phase: str | None = None
    reasoning_phase: ReasoningPhase | None = None
    raw: bytes | None = None
    cut: Cut | None = None
    after: int | None = None
    delay: float | None = None
    size: int | None = None
    age: Age | None = None
    calls: list[dict[str, Any]] | None = None
    on: Target = "completions"

    @property
    def row(self) -> Fault | None:
        return None if self.fault is None else FAULTS[self.fault]

    def knobs(self, seed: str, message: str) -> Knobs:
        return Knobs(after=self.after, delay=self.delay, size=self.size, seed=seed, message=message)


_KEYS: Mapping[str, str] = {
    "text": "a string",
    "reasoning": "a string",
    "chunk": "a whole number above 0",
    "pace": "a number, events per second",
    "fault": "the name of a fault",
    "phase": "a string",
    "reasoning_phase": "think or thinking_summary",
    "raw": "a string",
    "raw_b64": "base64",
    "cut": "whole, byte, or random:SEED",
    "cuts": "a list of offsets",
    "after": "a whole number of frames",
    "delay": "a number, seconds",
    "size": "a whole number",
    "age": "A or B",
    "calls": "a list of {tool_name, params}",
    "on": "completions or chats/new",
}


def read_script(value: object) -> list[Entry]:
    """`{"answers": […]}` or the bare list → entries. Raises `ScriptError`."""
    answers = value.get("answers") if isinstance(value, dict) else value
    if not isinstance(answers, list):
        raise ScriptError('a script is {"answers": [ … ]}')
    if isinstance(value, dict) and set(value) != {"answers"}:
        raise ScriptError(f"unknown keys beside answers: {', '.join(sorted(set(value) - {'answers'}))}")
    return [_read_entry(answer, f"answers[{position}]") for position, answer in enumerate(answers)]


def _read_entry(answer: object, where: str) -> Entry:
    if not isinstance(answer, dict):
        raise ScriptError(f"{where} is not an object")
    for key, item in answer.items():
        if key not in _KEYS:
            raise ScriptError(f"{where}: unknown key {key!r}; {_hint(key, _KEYS)}")
        if key == "fault" and isinstance(item, str) and item not in FAULTS:
            raise ScriptError(f"{where}: unknown fault {item!r}; {_hint(item, FAULTS)}")
        if item is not None and not _fits(key, item):
            raise ScriptError(f"{where}.{key} must be {_KEYS[key]}")
    given = {key: item for key, item in answer.items() if item is not None}
    cuts = given.pop("cuts", None)
    entry = {"cut": cuts} | given if cuts is not None else given
    raw = _read_raw(entry.pop("raw", None), entry.pop("raw_b64", None), where)
    pace = entry.pop("pace", None) or None
    read = Entry(**entry, raw=raw, pace=pace, paced="pace" in answer)
    if read.on == "chats/new" and (read.row is None or (read.row.refusal is None and read.row.breaks is None)):
        raise ScriptError(f"{where}: on chats/new needs a fault that refuses, or breaks the wire before an answer")
    return read


def _read_raw(text: str | None, encoded: str | None, where: str) -> bytes | None:
    if encoded is None:
        return None if text is None else text.encode("utf-8", "replace")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ScriptError(f"{where}.raw_b64 must be base64") from error


def _is_number(item: object, least: float) -> bool:
    return isinstance(item, int | float) and not isinstance(item, bool) and least <= item < math.inf


def _is_whole(item: object, least: int) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and item >= least


def _fits(key: str, item: Any) -> bool:
    """Whether `item` may stand under `key`."""
    match key:
        case "chunk":
            return _is_whole(item, 1)
        case "after" | "size":
            return _is_whole(item, 0)
        case "pace" | "delay":
            return _is_number(item, 0)
        case "fault":
            return isinstance(item, str) and item in FAULTS
        case "reasoning_phase":
            return item in ("think", "thinking_summary")
        case "age":
            return item in ("A", "B")
        case "on":
            return item in ("completions", "chats/new")
        case "cut" | "calls":
            return _is_cut(item) if key == "cut" else are_calls(item)
        case "cuts":
            return isinstance(item, list) and all(_is_whole(offset, 0) for offset in item)
    return isinstance(item, str)


def _is_cut(item: object) -> bool:
    if not isinstance(item, str):
        return False
    try:
        recut([], item)
    except ValueError:
        return False
    return True


def _hint(word: str, known: Mapping[str, object]) -> str:
    """The likely spelling, or all there is."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
