"""What is kept of an exchange with tools, where somebody wants it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from qwen_bridge.events import ResponseEnded, TextDelta
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.record import MOST_RAW, Tap, counters_of, lines_of, record_of, reports_of
from qwen_bridge.exchange.tooling import Through
from qwen_bridge.messages import Message, TextPart, ToolCall
from tests.exchange.driving import MANNER, NO_QUOTA, Driver, asking, user
from tests.exchange.test_local_channel import called
from tests.exchange.test_repetition import CUT, PUT, READ, REFUSED, WHOLE, WRITE, again, says
from tests.toolcalls.bench import Answer as Read

HISTORY = (
    user("Read a."),
    Message("assistant", (TextPart("I read."),), tool_calls=(ToolCall("call_1", "read_file", '{"path":"a"}'),)),
    Message("tool", (TextPart("text of a"),), tool_call_id="call_1"),
)


def recording(*messages: Message, record: bool = True, **more: Any) -> Driver:
    manner = replace(MANNER, record=record, habits=Habits(), **more)
    return Driver(asking(*(messages or HISTORY), tools=(WRITE, READ), stream=False), manner=manner)


def test_an_exchange_is_kept_whole() -> None:
    """The client's words, the model's own, the calls as they were repaired, and what became of them."""
    one = recording()
    one.play(says("I will.\n\n", WHOLE))
    kept = record_of(one.exchange, 1_800_000_000.5)
    assert kept is not None
    assert json.loads(json.dumps(kept)) == kept
    call = {"name": PUT[0], "arguments": PUT[1], "dialect": "hermes_json", "repairs": [], "verdict": "released"}
    assert kept["calls"] == [{**call, "reason": None}]
    assert kept["raw"] == [f"I will.\n\n{WHOLE}"]
    assert (kept["text"].strip(), kept["client"], kept["time"]) == ("I will.", "openai_tools", 1_800_000_000)
    assert kept["messages"][1]["tool_calls"][0]["function"] == {"name": "read_file", "arguments": '{"path":"a"}'}
    assert kept["messages"][2] == {"role": "tool", "content": "text of a", "tool_call_id": "call_1"}
    assert [tool["function"]["name"] for tool in kept["tools"]] == ["write_file", "read_file"]


def test_it_is_kept_once() -> None:
    """Whoever asks again gets nothing."""
    one = recording()
    one.play(says(WHOLE))
    assert record_of(one.exchange, 0.0) is not None
    assert record_of(one.exchange, 0.0) is None


def test_nothing_is_listened_to_by_default() -> None:
    """Without the setting the raw text is not even kept; without tools there is nothing to keep."""
    one = recording(record=False)
    one.play(says(WHOLE))
    assert record_of(one.exchange, 0.0) is None
    plain = Driver(asking(stream=False), manner=replace(MANNER, record=True))
    plain.play(says("Hello."))
    assert record_of(plain.exchange, 0.0) is None


def test_an_answer_that_was_asked_for_again_is_kept_with_both() -> None:
    """The calls are those of the answer that the client got."""
    one = recording()
    one.play(says(CUT), again(WHOLE))
    kept = record_of(one.exchange, 0.0)
    assert kept is not None
    assert (kept["raw"], kept["asked_again"]) == ([CUT, WHOLE], "call_not_whole")
    assert [call["verdict"] for call in kept["calls"]] == ["released"]
    assert [report.calls[0].released for report in reports_of(one.exchange)] == [False, True]
    assert counters_of(one.exchange)["verdict", "withheld"] == 1
    assert counters_of(one.exchange)["verdict", "released"] == 1


def test_a_call_in_a_frame_is_kept_too() -> None:
    """It is no text of the model's."""
    one = recording(tool_channel="local_mcp")
    one.play(called(*PUT))
    kept = record_of(one.exchange, 0.0)
    assert kept is not None
    assert (kept["raw"], [call["dialect"] for call in kept["calls"]]) == ([""], ["native"])


def test_a_line_says_of_each_call_what_became_of_it() -> None:
    """Dialect, verdict, reason, repairs; arguments never. What the site took is told as well."""
    one = recording()
    one.play(says(REFUSED), again(WHOLE))
    assert lines_of(one.exchange) == ("write_file intercepted", "write_file hermes_json released")
    one = recording()
    one.play(says(CUT), NO_QUOTA)
    assert lines_of(one.exchange) == ("write_file mixed withheld (was cut off) repairs=head.json",)


@pytest.mark.parametrize("name", ["a\nb", "x" * 200, "sk and more"])
def test_a_name_that_may_be_somebodys_words_stays_out_of_the_line(name: str) -> None:
    """A model may write anything where a name belongs."""
    text = f"<tool_call>\n{json.dumps({'name': name, 'arguments': {}})}\n</tool_call>"
    for line in Read(text).extractor.report.lines():
        assert name not in line


def test_a_tap_changes_nothing_and_keeps_so_much() -> None:
    """What went in, what came out, and no more than its limit."""
    tap = Tap(Through())
    assert list(tap.feed(TextDelta("x" * (MOST_RAW - 1)))) == [TextDelta("x" * (MOST_RAW - 1))]
    assert list(tap.feed(TextDelta("yz"))) == [TextDelta("yz")]
    assert list(tap.feed(ResponseEnded("stop"))) == [ResponseEnded("stop")]
    assert list(tap.close()) == []
    assert len(tap.raw) == len(tap.shown) == MOST_RAW
    assert tap.raw.endswith("xy")
