"""Answers that end too early: at every joint of a call, and inside of every piece (toolcalls.md 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from qwen_bridge.toolcalls.policy import CLOSABLE
from tests.toolcalls.invented.defect import Want, ends_in_body, is_harmless
from tests.toolcalls.invented.forms import Written
from tests.toolcalls.invented.material import Arguments

type End = Literal["stop", "length", "abort"]


@dataclass(frozen=True, slots=True)
class Cut:
    """The start of a call's text, how the answer ended, and what may come of it."""

    text: str
    end: End
    want: Want
    given: Arguments


def cut(call: Written, rng: Random) -> tuple[str, Cut] | None:
    """One cut of the call's text; None where the policy leaves open what comes of it."""
    end: End = rng.choice(("stop", "length", "abort"))
    at = rng.choice(_joints(call)) if rng.random() < 0.5 else rng.randrange(1, len(call.text))
    text = call.text[:at]
    judged = _judged(call, text, end)
    return None if judged is None else (_what(call, at), judged)


def _joints(call: Written) -> list[int]:
    ends: list[int] = []
    at = 0
    for token in call.tokens:
        at += len(token.text)
        ends.append(at)
    return sorted({one for one in ends if 0 < one < len(call.text)}) or [len(call.text) - 1]


def _end_of(call: Written, *roles: str) -> int:
    """Where the last token of these roles ends."""
    at, found = 0, 0
    for token in call.tokens:
        at += len(token.text)
        found = at if token.role in roles and token.text else found
    return found


def _judged(call: Written, text: str, end: End) -> Cut | None:
    """By structure first: a value that is open calls nothing; closers alone may be missing, of some calls."""
    if call.having("json"):
        given, whole = _json_so_far(call, text), len(text) >= _end_of(call, "json")
    else:
        given, whole = _values_so_far(call, text), len(text) >= _end_of(call, "end")
    must = set(call.tool.get("parameters", {}).get("required", ()))
    if given is None and call.name in CLOSABLE and end == "stop":
        return None  # its last free text may be closed by the bridge, wherever it ends
    if given is None or not must <= given.keys() or not (given or whole or call.having("json")):
        return Cut(text, end, "none", given or {})
    if is_harmless(call):
        return Cut(text, end, "either", given)
    if whole and not call.having("unwrap"):
        return Cut(text, end, "call", given)
    if end != "stop":
        return Cut(text, end, "none", given)
    body = ends_in_body(call) and len(text) < _end_of(call, "end") and not call.having("json")
    return Cut(text, end, "none" if body and len(given) == len(call.arguments) else "either", given)


def _values_so_far(call: Written, text: str) -> Arguments | None:
    """The parameters that are closed; None where one is open."""
    given: Arguments = {}
    at, key = 0, ""
    for token in call.tokens:
        at += len(token.text)
        key = token.key if token.role == "open" else key
        if at > len(text):
            return given if token.role not in ("value", "close") and token.key not in given else None
        if token.role == "close":
            given[key] = call.arguments[key]
        elif (token.role == "open" and at == len(text)) or (token.role == "value" and at == len(text)):
            return None
    return given


def _json_so_far(call: Written, text: str) -> Arguments | None:
    """All arguments where only brackets are missing behind them."""
    before = sum(len(one.text) for one in call.tokens[: call.having("json")[0]])
    inside = text[before : before + len(call.tokens[call.having("json")[0]].text)].rstrip()
    token = call.tokens[call.having("json")[0]].text
    behind = token[len(inside) :] if token.startswith(inside) else ""
    return call.arguments if inside.endswith("}") and not behind.strip("} \n") and inside.count('"arguments"') else None


def _what(call: Written, at: int) -> str:
    """The role of the token that the cut lies in or behind."""
    seen = 0
    for token in call.tokens:
        seen += len(token.text)
        if seen >= at:
            return f"{'behind' if seen == at else 'in'}_{token.role}"
    return "behind_all"
