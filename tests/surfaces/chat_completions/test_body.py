from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from openai.types.chat import ChatCompletion

from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from qwen_bridge.surfaces.chat_completions.body import BodyEncoder
from qwen_bridge.surfaces.chat_completions.stream import StreamEncoder
from tests import stage_laws
from tests.conformance.invariants import check_body
from tests.surfaces.chat_completions.answers import (
    ENDED,
    FAILED,
    HEAD,
    STARTED,
    TOOLS,
    chunks_of,
    is_visible,
    message_of,
    output,
    whole_call,
)


def encoder() -> BodyEncoder:
    return BodyEncoder(HEAD)


def completion(*events: StreamEvent) -> Any:
    return json.loads(output(encoder(), [STARTED, *events]))


def test_whole_answer() -> None:
    """Reasoning, text, calls, reason and usage stand in one object as OpenAI's servers write it."""
    call = whole_call(0, "read_file", ['{"path":', '"a"}'])
    events = [ReasoningDelta("H"), ReasoningDelta("m."), TextDelta("I "), TextDelta("look."), *call]
    function = {"name": "read_file", "arguments": '{"path":"a"}'}
    message = {
        "role": "assistant",
        "content": "I look.",
        "refusal": None,
        "annotations": [],
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "call_0", "type": "function", "function": function}],
    }
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert completion(*events, UsageReported(Usage(10, 5, reasoning=2, cached=4)), ResponseEnded("stop")) == {
        "id": "chatcmpl-Ab1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": 'gpt-4o "mini" 通',
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": usage,
        "system_fingerprint": None,
    }


def test_content_is_null_only_beside_calls() -> None:
    """An answer of nothing but calls has null content, any other has a string."""
    assert (
        completion(*whole_call(0, "list_files", ["{}"]), ResponseEnded("stop"))["choices"][0]["message"]["content"]
        is None
    )
    assert completion(ResponseEnded("stop"))["choices"][0]["message"]["content"] == ""


def test_absent_things_are_left_out() -> None:
    """Without reasoning and calls their fields are not there, as clients test for their presence."""
    message = completion(TextDelta("Hi"), ResponseEnded("stop"))["choices"][0]["message"]
    assert message.keys() == {"role", "content", "refusal", "annotations"}


def test_usage_is_always_there() -> None:
    """Without any report the usage is there all the same, and a later report replaces an earlier."""
    assert completion(TextDelta("Hi"), ResponseEnded("stop"))["usage"]["total_tokens"] == 0
    reports = (UsageReported(Usage(1, 1)), UsageReported(Usage(2, 3)))
    assert completion(*reports, TextDelta("Hi"), ResponseEnded("length"))["usage"]["total_tokens"] == 5


def test_failure_and_early_end_write_nothing() -> None:
    """The border answers with an HTTP error, so no byte may have gone out."""
    assert output(encoder(), [STARTED, TextDelta("Hi"), FAILED, TextDelta("x"), ResponseEnded("stop")]) == b""
    assert output(encoder(), [STARTED, TextDelta("Hi")]) == b""


def test_nothing_is_written_twice() -> None:
    """Events after the end write nothing."""
    stage = encoder()
    stage.feed(TextDelta("Hi"))
    assert len(stage.feed(ResponseEnded("stop"))) == 1
    assert [list(stage.feed(event)) for event in (TextDelta("x"), ResponseEnded("stop"), FAILED)] == [[], [], []]


def test_lone_surrogates_are_replaced() -> None:
    """Text that no UTF-8 can carry does not raise, and halves in neighbouring deltas find each other."""
    message = completion(TextDelta("a\ud83d"), TextDelta("\ude00b\ud83d"), ResponseEnded("stop"))["choices"][0][
        "message"
    ]
    assert message["content"] == "a😀b\ufffd"


@given(events=ENDED)
@settings(deadline=None)
def test_every_answer_keeps_openais_promises(events: list[StreamEvent]) -> None:
    """Whatever the model says in whatever order, the object passes the judge and OpenAI's own types."""
    obj = json.loads(output(encoder(), events))
    assert check_body(obj, tools=TOOLS) == ([] if is_visible(events) else ["the answer is empty: no content, no call"])
    ChatCompletion.model_validate(obj)


@given(events=ENDED)
@settings(deadline=None)
def test_stream_and_body_say_the_same(events: list[StreamEvent]) -> None:
    """The same events give the same words, calls, reason and usage, streamed or whole."""
    obj = json.loads(output(encoder(), events))
    chunks = chunks_of(output(StreamEncoder(HEAD, include_usage=True), events))
    (choice,) = obj["choices"]
    whole = {
        "content": choice["message"]["content"] or "",
        "reasoning": choice["message"].get("reasoning_content", ""),
        "calls": choice["message"].get("tool_calls", []),
        "reason": choice["finish_reason"],
    }
    assert message_of(chunks) == whole
    assert chunks[-2]["usage"] == obj["usage"]
    assert {key: chunks[0][key] for key in ("id", "created", "model")} == {
        key: obj[key] for key in ("id", "created", "model")
    }


def recut(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """Each text cut into its characters."""
    return [
        piece
        for event in events
        for piece in ([TextDelta(character) for character in event.text] if isinstance(event, TextDelta) else [event])
    ]


@given(events=ENDED)
@settings(deadline=None, max_examples=50)
def test_stage_laws(events: list[StreamEvent]) -> None:
    """Cut-free to the byte, total close, one end, eager."""
    stage_laws.check_cut_free(encoder, events, recut(events))
    stage_laws.check_close(encoder, events)
    stage_laws.check_ending(encoder, events, lambda _: True)
    stage_laws.check_eager(encoder, events)


def test_work_is_linear() -> None:
    """Each delta costs the same, however long the answer."""

    def long(count: int) -> list[StreamEvent]:
        return [*(TextDelta("x") for _ in range(count)), ResponseEnded("stop")]

    stage_laws.check_linear(encoder, long)
