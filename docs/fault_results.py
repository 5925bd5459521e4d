"""What the last recorded run of `tests/e2e/test_faults.py` has shown, as `faults.md` prints it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("faults.json")
RESULTS: dict[str, dict[str, dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
"""Case → manner → the fields of an `Outcome`."""


@dataclass(frozen=True)
class Outcome:
    """What both clients saw. `words`: a part of the answer came before the error; `asked`: how often Qwen was."""

    code: str
    status: int
    words: bool
    asked: int
    retry_after: str | None
    message: str


def cell(outcome: Outcome) -> str:
    """One outcome in a few words."""
    if outcome.code == "answer":
        said = "the answer"
    elif outcome.words:
        said = f"words, then an error event `{outcome.code}`"
    else:
        said = f"{outcome.status} `{outcome.code}`"
    wait = f", `retry-after: {outcome.retry_after}`" if outcome.retry_after else ""
    return f"{said}{wait}; asked {outcome.asked}×"


def rows() -> list[tuple[str, str, str]]:
    """Case, with the fault once, with the fault each time. Streamed and whole are told apart where they differ."""
    return [(f"`{name}`", _both(told, "once"), _both(told, "each time")) for name, told in RESULTS.items()]


def _both(told: dict[str, dict[str, Any]], how: str) -> str:
    streamed, whole = (cell(Outcome(**told[f"{manner}, {how}"])) for manner in ("streamed", "whole"))
    return streamed if streamed == whole else f"streamed: {streamed}; whole: {whole}"
