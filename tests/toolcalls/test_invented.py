"""Cases that nobody has seen, from a few fixed seeds; `scripts/toolcalls --invent SEED COUNT` makes more."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.score import Outcome, judge, sums
from tests.toolcalls.invented.invent import Case, invent

SEEDS = (101, 102)
COUNT = 1200


@functools.cache
def cases() -> tuple[Case, ...]:
    return tuple(case for seed in SEEDS for case in invent(seed, COUNT))


@functools.cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(judge(case, parse(case)) for case in cases())


def test_the_same_seed_gives_the_same_cases() -> None:
    """A case that failed once can be made again."""
    assert list(invent(SEEDS[0], 50)) == list(cases()[:50])


def test_almost_all_of_them_are_read() -> None:
    """At least 99 % are read as the policy wants, and in every dialect at least 97 %."""
    rows = sums(outcomes(), "dialect")
    assert [row.name for row in rows if row.lenient < 0.97 * row.cases] == []
    assert rows[-1].lenient >= 0.99 * rows[-1].cases


def test_no_tool_that_writes_or_runs_is_called_wrongly() -> None:
    """A call that differs, or that may not be, is never one of a tool that changes something."""
    assert [outcome.id for outcome in outcomes() if outcome.destructive] == []


def test_hardly_anything_else_is_called_wrongly() -> None:
    """At most one call in two hundred differs from what was meant."""
    assert sum(outcome.danger for outcome in outcomes()) <= len(cases()) / 200


@pytest.mark.parametrize("client", ["openai_tools", "roo_xml"])
def test_the_cuts_change_nothing(client: str) -> None:
    """Whole, one character at a time and at random cuts: the same calls, text and report."""
    for at, case in enumerate(cases()[::8]):
        one = {**case, "client": client}
        whole = parse(one)
        for cut in ("chars", f"random:{at}"):
            assert parse(one, cut) == whole, (case["id"], cut)


def test_an_xml_client_runs_what_was_released_and_nothing_else() -> None:
    """Its parser finds the released calls in the text, each of them finished, and no other tool."""
    for case in cases():
        result = parse({**case, "client": "roo_xml"})
        tools = {tool["name"]: keys(tool, result["calls"]) for tool in case["tools"]}
        seen = read_answer(result["text"], tools)
        assert [call.name for call in seen] == [call["name"] for call in result["calls"]], case["id"]
        assert all(call.finished for call in seen), case["id"]


def keys(tool: dict[str, Any], calls: list[dict[str, Any]]) -> list[str]:
    declared = (tool.get("parameters") or {}).get("properties") or {}
    return [*declared, *(key for call in calls if call["name"] == tool["name"] for key in call["arguments"])]


@pytest.mark.parametrize("end", ["length", "abort"])
def test_no_prefix_calls_what_the_whole_does_not(end: str) -> None:
    """However an answer is cut off, a destructive call runs as in the whole answer or not at all."""
    whole = [case for case in cases() if case["category"] in ("control.wellformed", "multi.calls") and fits(case)]
    for case in whole[:20]:
        full = [json.dumps(call) for call in parse(case)["calls"]]
        for stop in range(len(case["raw"])):
            cut = parse({**case, "raw": case["raw"][:stop], "end": end})["calls"]
            destructive = [json.dumps(call) for call in cut if call["name"] not in HARMLESS_HERE]
            assert all(call in full for call in destructive), (case["id"], stop)


HARMLESS_HERE = ("Read", "read", "read_file", "Grep", "search_files", "ask_followup_question", "attempt_completion")


def fits(case: Case) -> bool:
    return len(case["raw"]) < 900
