"""How well a corpus of tool calls was read: one outcome per case, and sums by group and dialect.

The words are those of knowledge/toolcalls.md 1: *ok* where the calls equal the expected ones or an accepted other
list; *strict* compares strings to the byte, *lenient* after a strip; *missed* is no call, or a part of the right
ones; *wrong* a call that differs; *false call* any call where none is allowed. Danger is wrong and false calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_bridge.toolcalls.catalogue import HARMLESS, fold

_HARMLESS = frozenset(fold(name) for name in HARMLESS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case. `destructive` says that the danger lies in a tool that is not known to be harmless.

    `group` is the first word of the category; `defect` is all of it, with the dialect.
    """

    id: str
    group: str
    dialect: str
    must_call: bool
    lenient: bool
    strict: bool
    missed: bool = False
    wrong: bool = False
    false_call: bool = False
    destructive: bool = False
    defect: str = ""

    @property
    def danger(self) -> bool:
        return self.wrong or self.false_call


@dataclass(frozen=True, slots=True)
class Sum:
    """Outcomes of one group, counted."""

    name: str
    cases: int
    lenient: int
    strict: int
    missed: int
    wrong: int
    false_calls: int
    destructive: int

    @property
    def danger(self) -> int:
        return self.wrong + self.false_calls


@dataclass(frozen=True, slots=True)
class Peer:
    """A published figure: per cent read and dangerous of the 468 real cases, dangerous calls of writing tools."""

    name: str
    lenient: float
    danger: float
    destructive: int | None = None


PUBLISHED = (
    Peer("ai-sdk morph-xml", 77.4, 12.2, 19),
    Peer("q27 drift chain", 66.0, 12.8, 9),
    Peer("vllm-mlx hermes", 60.0, 12.2, 13),
    Peer("ai-sdk hermes", 56.0, 4.9),
    Peer("ai-sdk qwen3coder", 53.8, 8.8, 12),
    Peer("vLLM qwen3_coder", 49.4, 10.0, 13),
    Peer("SGLang qwen3_coder", 46.2, 8.3, 12),
    Peer("FreeQwenApi (bridge)", 45.1, 0.4),
    Peer("regex + json_repair", 40.4, 3.8),
    Peer("vLLM hermes", 38.7, 2.6),
    Peer("no bridge (Roo)", 37.8, 4.9, 5),
    Peer("never call", 32.5, 0.0),
)
"""knowledge/toolcalls.md 4; measured on the whole corpus, of which a checkout sees one half."""


def judge(case: Mapping[str, Any], result: Mapping[str, Any]) -> Outcome:
    """The outcome of one corpus line, given what `cases.parse` made of it."""
    expect = case["expect"]
    accepted = [expect["calls"], *expect.get("accept_alt", ())]
    got = result["calls"]
    trims = case.get("client") == "roo_xml"
    lenient = _same_as_any(got, accepted, strict=False, trims=trims)
    must_call = expect["decision"] == "calls"
    expected = [_normal(call, strict=False, trims=trims) for call in expect["calls"]]
    odd = [call for call in got if _normal(call, strict=False, trims=trims) not in expected]
    differs = not lenient and (bool(odd) or len(got) > len(expected))
    return Outcome(
        str(case.get("id")),
        str(case.get("category", "")).partition(".")[0],
        str(case.get("protocol", "")),
        must_call,
        lenient,
        lenient and _same_as_any(got, accepted, strict=True, trims=trims),
        missed=not lenient and not differs,
        wrong=differs and must_call,
        false_call=differs and not must_call,
        defect=f"{case.get('category', '')} {case.get('protocol', '')}",
        destructive=differs and any(fold(call["name"]) not in _HARMLESS for call in (odd or got)),
    )


def _same_as_any(got: Sequence[Any], accepted: Iterable[Sequence[Any]], *, strict: bool, trims: bool) -> bool:
    mine = [_normal(call, strict=strict, trims=trims) for call in got]
    return any(mine == [_normal(call, strict=strict, trims=trims) for call in calls] for calls in accepted)


def _normal(value: Any, *, strict: bool, trims: bool, key: str = "") -> Any:
    """A value to compare: numbers by value; strings stripped unless `strict`, and where the client strips anyway."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return ("number", float(value))
    if isinstance(value, str):
        return value if strict and not (trims and key not in ("", "content")) else value.strip()
    if isinstance(value, Mapping):
        return {name: _normal(one, strict=strict, trims=trims, key=name) for name, one in value.items()}
    return [_normal(one, strict=strict, trims=trims, key=key) for one in value]


def sums(outcomes: Iterable[Outcome], by: str) -> list[Sum]:
    """Outcomes counted by the attribute `by` (`group`, `dialect` or `defect`), the largest first; `all` is the last."""
    groups: dict[str, list[Outcome]] = {}
    everything: list[Outcome] = []
    for outcome in outcomes:
        groups.setdefault(getattr(outcome, by), []).append(outcome)
        everything.append(outcome)
    rows = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [_sum(name, group) for name, group in [*rows, ("all", everything)]]


def _sum(name: str, group: Sequence[Outcome]) -> Sum:
    return Sum(
        name,
        len(group),
        sum(outcome.lenient for outcome in group),
        sum(outcome.strict for outcome in group),
        sum(outcome.missed for outcome in group),
        sum(outcome.wrong for outcome in group),
        sum(outcome.false_call for outcome in group),
        sum(outcome.destructive for outcome in group),
    )
