"""Recorded exchanges as a fine-tuning set."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.observe.examples import Tally, examples

CALL = {
    "name": "put",
    "arguments": {"path": "é"},
    "dialect": "x",
    "repairs": ["a.b"],
    "verdict": "released",
    "reason": None,
}
RECORD: dict[str, Any] = {
    "time": 1,
    "client": "openai_tools",
    "messages": [
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_qb_7", "type": "function", "function": {"name": "get", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "x", "tool_call_id": "call_qb_7"},
    ],
    "tools": [{"type": "function", "function": {"name": "put", "parameters": {}}}],
    "parallel_tool_calls": True,
    "raw": ["<tool_call>"],
    "text": "I put it.\n\n",
    "calls": [CALL],
}


def written(*records: Any) -> tuple[list[Any], Tally]:
    tally = Tally()
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return [json.loads(line) for line in examples(lines, tally)], tally


def test_an_example_is_the_history_and_the_call_that_was_right_for_it() -> None:
    """As OpenAI's fine-tuning takes it; ids are numbers, and each result knows its call."""
    ((example,), _) = written(RECORD)
    assert set(example) == {"messages", "tools", "parallel_tool_calls"}
    *history, answer = example["messages"]
    assert [message["role"] for message in history] == ["user", "assistant", "tool"]
    assert history[1]["tool_calls"][0]["id"] == history[2]["tool_call_id"] == "call_1"
    function = {"name": "put", "arguments": '{"path": "é"}'}
    assert answer == {
        "role": "assistant",
        "content": "I put it.",
        "tool_calls": [{"id": "call_2", "type": "function", "function": function}],
    }


def test_the_text_of_an_xml_client_is_left_out() -> None:
    """Its call stands in it."""
    ((example,), _) = written({**RECORD, "client": "roo_xml", "text": "<put>…</put>"})
    assert "content" not in example["messages"][-1]


@pytest.mark.parametrize("calls", [[], [{**CALL, "verdict": "withheld"}], [CALL, {**CALL, "verdict": "withheld"}]])
def test_only_exchanges_whose_every_call_was_released_count(calls: list[Any]) -> None:
    """What was withheld is no example, and neither is its neighbour."""
    assert written({**RECORD, "calls": calls})[1] == Tally(records=1, unreleased=1)


def test_each_example_comes_once() -> None:
    """Another time, other ids and another raw text make no other example; another call does."""
    twin = json.loads(json.dumps(RECORD).replace("call_qb_7", "call_qb_8")) | {"time": 2, "raw": ["other"]}
    other = {**RECORD, "calls": [{**CALL, "arguments": {"path": "b"}}]}
    found, tally = written(RECORD, twin, other)
    assert (len(found), tally.duplicates, tally.examples) == (2, 1, 2)


def test_what_looks_like_a_secret_is_taken_out() -> None:
    """Of history, call and tools alike."""
    key = "sk-" + "b" * 20
    text = json.dumps(RECORD).replace('"go"', f'"go {key}"').replace("\\u00e9", key)
    ((example,), _) = written(text)
    assert key not in json.dumps(example)


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"calls": 4}', '{"calls": [{}]}', json.dumps({**RECORD, "text": None})]
)
def test_a_line_that_cannot_be_read_is_counted(line: str) -> None:
    """And stops nothing; empty lines are none."""
    found, tally = written(line, "", RECORD)
    assert (len(found), tally.unreadable, tally.records) == (1, 1, 2)
