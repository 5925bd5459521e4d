"""The answer as the client will echo it."""

from __future__ import annotations

import pytest

from qwen_bridge.conversation.answer import AnswerAccumulator
from qwen_bridge.errors import AnswerCutOff
from qwen_bridge.events import (
    FinishReason,
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from qwen_bridge.messages import Message
from tests.conversation.histories import assistant, minted, minted_id

STARTED = ResponseStarted("chat", "user-node", "answer-node")


def fed(*events: StreamEvent) -> AnswerAccumulator:
    answer = AnswerAccumulator()
    for event in events:
        answer.feed(event)
    return answer


def test_text_is_joined_and_reasoning_left_out() -> None:
    """All text in order is the answer; thoughts and usage are not in it."""
    answer = fed(
        STARTED,
        ReasoningDelta("hm"),
        TextDelta("He"),
        UsageReported(Usage(1, 2)),
        TextDelta("llo"),
        ResponseEnded("stop"),
    )
    assert answer.message() == assistant("Hello")
    assert (answer.text_length, answer.started, answer.complete) == (5, STARTED, True)


def test_calls_stand_in_the_order_of_their_index() -> None:
    """Calls that come in mixed are whole, and in order."""
    answer = fed(
        ToolCallStarted(1, minted_id(2), "read_file"),
        ToolCallStarted(0, minted_id(1), "read_file"),
        ToolCallDelta(0, '{"a"'),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, ":1}"),
        ToolCallEnded(1),
        ToolCallEnded(0),
        ResponseEnded("tool_calls"),
    )
    assert answer.message() == assistant("", minted(1, '{"a":1}'), minted(2, "{}"))
    assert answer.complete


def test_nothing_yet() -> None:
    """Before the first event the answer is an empty message, not started and not complete."""
    answer = AnswerAccumulator()
    assert (answer.message(), answer.started, answer.complete) == (Message("assistant"), None, False)


@pytest.mark.parametrize(
    ("events", "complete"),
    [
        ([TextDelta("a")], False),
        ([TextDelta("a"), ResponseFailed(AnswerCutOff("cut"))], False),
        ([ToolCallStarted(0, minted_id(1), "f"), ResponseEnded("stop")], False),
        ([ToolCallDelta(0, "{}"), ToolCallEnded(0), ResponseEnded("stop")], True),
    ],
)
def test_only_whole_answers_are_complete(events: list[StreamEvent], complete: bool) -> None:
    """An answer that runs, broke, or left a call open is not complete; pieces of a call never started do not count."""
    assert fed(*events).complete == complete


@pytest.mark.parametrize(
    ("reason", "complete"), [("stop", True), ("length", True), ("tool_calls", True), ("content_filter", False)]
)
def test_filtered_answers_are_not_complete(reason: FinishReason, complete: bool) -> None:
    """A filtered answer is no place to go on from, any other ending is."""
    answer = fed(TextDelta("a"), ResponseEnded(reason))
    assert (answer.reason, answer.complete) == (reason, complete)
