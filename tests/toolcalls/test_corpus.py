"""The open half of the corpus, by group; the lines themselves stay outside the repository."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.catalogue import HARMLESS, fold
from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.score import Outcome, judge, sums
from tests.harness.shared import DATA

CORPUS = DATA / "toolcalls.jsonl"
pytestmark = pytest.mark.skipif(not CORPUS.is_file(), reason="needs the corpus in ../shared/data")

WHOLE_GROUPS = ("truncation", "fp", "control", "stream", "body")
"""Groups in which every case must be right."""


@functools.cache
def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


@functools.cache
def outcomes() -> tuple[Outcome, ...]:
    return tuple(judge(case, parse(case)) for case in cases())


def small(limit: int) -> list[dict[str, Any]]:
    return [case for case in cases() if len(case["raw"]) <= limit]


def digest(case: Mapping[str, Any]) -> int:
    return hashlib.sha256(str(case["id"]).encode()).digest()[0]


def test_the_corpus_is_read() -> None:
    """At least 97.5 % of the open cases are read, all of them to the byte, and no call differs."""
    everything = sums(outcomes(), "group")[-1]
    assert everything.lenient >= 0.975 * everything.cases
    assert everything.strict >= 0.975 * everything.cases
    assert everything.danger == 0


@pytest.mark.parametrize("group", WHOLE_GROUPS)
def test_the_dangerous_groups_are_whole(group: str) -> None:
    """Where a mistake destroys something, there is none."""
    assert [outcome.id for outcome in outcomes() if outcome.group == group and not outcome.lenient] == []


def test_nothing_is_called_where_nothing_may_be() -> None:
    """No case that must stay text or be withheld yields a call."""
    assert [outcome.id for outcome in outcomes() if outcome.false_call] == []


@pytest.mark.parametrize("client", ["openai_tools", "roo_xml"])
def test_the_result_does_not_depend_on_the_cuts(client: str) -> None:
    """Every case gives the same calls, text and report whole, by characters, and at random cuts."""
    for case in small(20_000):
        one = {key: value for key, value in case.items() if key != "chunks"} | {"client": client}
        whole = parse(one)
        for cut in ("chars", f"random:{digest(case)}", f"random:{digest(case) + 1}"):
            assert parse(one, cut) == whole, (case["id"], cut)


def test_the_streamed_pieces_of_the_source_give_the_same() -> None:
    """The exact chunks in which a source streams a case change nothing."""
    for case in cases():
        if "chunks" in case:
            assert parse(case) == parse({**case, "chunks": None}), case["id"]


def test_an_xml_client_would_run_exactly_what_was_read() -> None:
    """The XML that leaves holds the released calls and no other tool block, finished or not."""
    for case in cases():
        result = parse({**case, "client": "roo_xml"})
        tools = {tool["name"]: parameters(tool, result["calls"]) for tool in case["tools"]}
        seen = [(call.name, dict(call.values)) for call in read_answer(result["text"], tools)]
        meant = [
            (call["name"], {key: as_text(key, value) for key, value in call["arguments"].items()})
            for call in result["calls"]
        ]
        assert seen == meant, case["id"]


def parameters(tool: Mapping[str, Any], calls: list[dict[str, Any]]) -> list[str]:
    declared = (tool.get("parameters") or {}).get("properties") or {}
    used = [key for call in calls if call["name"] == tool["name"] for key in call["arguments"]]
    return [*declared, *used]


def as_text(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if key == "content" else text.strip()


@pytest.mark.parametrize("end", ["stop", "length", "abort"])
def test_no_prefix_of_a_case_calls_anything_else(end: str) -> None:
    """However an answer is cut, it runs the first of its destructive calls whole, or none; never a part of one.

    Where a natural stop is told, a call that lacks nothing but closers is whole, although what would have followed may
    make a case be withheld: such cases are not looked at there.
    """
    for case in small(1_500):
        if not 0 <= digest(case) < 64:  # a quarter, chosen by name: the whole corpus takes a minute
            continue
        one = {**case, "chunks": None, "thinking": None, "phase": "answer"}
        whole = parse(one)
        if end == "stop" and whole["withheld"]:
            continue
        full = whole["calls"]
        for stop in range(len(case["raw"])):
            cut = parse({**one, "raw": case["raw"][:stop], "end": end})["calls"]
            harmless = bool(cut) and fold(cut[-1]["name"]) in {fold(name) for name in HARMLESS}
            assert harmless or cut == full[: len(cut)], (case["id"], stop)
