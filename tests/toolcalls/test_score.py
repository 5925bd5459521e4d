from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.toolcalls.score import judge, sums

CALL = {"name": "shell", "arguments": {"command": "ls"}}


def case(decision: str = "calls", calls: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    expect = {"decision": decision, "calls": [CALL] if calls is None else calls, **more}
    return {"id": "x", "category": "json.bare", "protocol": "json_bare", "client": "openai_tools", "expect": expect}


def result(*calls: Any) -> dict[str, Any]:
    return {"calls": list(calls)}


@pytest.mark.parametrize(
    ("given", "got", "kind"),
    [
        (case(), result(CALL), "strict"),
        (case(), result({"name": "shell", "arguments": {"command": " ls\n"}}), "lenient"),
        (case(), result(), "missed"),
        (case(calls=[CALL, CALL]), result(CALL), "missed"),
        (case(), result({"name": "shell", "arguments": {"command": "rm"}}), "wrong"),
        (case(), result(CALL, CALL), "wrong"),
        (case("withhold", []), result(CALL), "false_call"),
        (case("withhold", []), result(), "strict"),
        (case(accept_alt=[[]]), result(), "strict"),
        (case(calls=[{"name": "t", "arguments": {"n": 1}}]), result({"name": "t", "arguments": {"n": 1.0}}), "strict"),
        (case(calls=[{"name": "t", "arguments": {"n": 1}}]), result({"name": "t", "arguments": {"n": True}}), "wrong"),
    ],
)
def test_the_outcome_of_a_case(given: dict[str, Any], got: dict[str, Any], kind: str) -> None:
    """The words mean what the knowledge says they mean."""
    outcome = judge(given, got)
    assert outcome.lenient == (kind in ("strict", "lenient"))
    assert outcome.strict == (kind == "strict")
    assert (outcome.missed, outcome.wrong, outcome.false_call) == (
        kind == "missed",
        kind == "wrong",
        kind == "false_call",
    )
    assert outcome.danger == (kind in ("wrong", "false_call"))
    assert outcome.destructive == outcome.danger


def test_outcomes_are_counted_by_group_and_in_all() -> None:
    """The last row is everything."""
    rows = sums([judge(case(), result(CALL)), judge(case(), result())], "group")
    assert [(row.name, row.cases, row.lenient, row.missed, row.danger) for row in rows] == [
        ("json", 2, 1, 1, 0),
        ("all", 2, 1, 1, 0),
    ]
