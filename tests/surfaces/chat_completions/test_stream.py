from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from qwen_bridge.errors import QwenRefused
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from qwen_bridge.surfaces.chat_completions.stream import StreamEncoder
from tests import stage_laws
from tests.conformance.framing import DONE
from tests.conformance.invariants import check_stream
from tests.surfaces.chat_completions.answers import (
    ENDED,
    FAILED,
    HEAD,
    STARTED,
    TOOLS,
    bodies,
    chunks_of,
    is_visible,
    message_of,
    output,
    whole_call,
)

ROLE = {"role": "assistant", "content": "", "refusal": None}
ANSWER: list[StreamEvent] = [
    STARTED,
    ReasoningDelta("Hm."),
    TextDelta("I "),
    TextDelta("look."),
    *whole_call(0, "read_file", ['{"path":', '"a"}']),
    *whole_call(1, "list_files", ["{}"]),
    UsageReported(Usage(10, 5, reasoning=2, cached=4)),
    ResponseEnded("stop"),
]


def encoder(*, include_usage: bool = True) -> StreamEncoder:
    return StreamEncoder(HEAD, include_usage=include_usage)


def streamed(events: Sequence[StreamEvent], *, include_usage: bool = True) -> list[Any]:
    return chunks_of(output(encoder(include_usage=include_usage), events))


def deltas(chunks: Sequence[Any]) -> list[Any]:
    return [choice["delta"] for chunk in chunks if isinstance(chunk, dict) for choice in chunk["choices"]]


def test_whole_answer_delta_by_delta() -> None:
    """Role, reasoning, text, calls and end come as OpenAI's servers send them."""
    first = {"index": 0, "id": "call_0", "type": "function", "function": {"name": "read_file", "arguments": ""}}
    second = {"index": 1, "id": "call_1", "type": "function", "function": {"name": "list_files", "arguments": ""}}
    assert deltas(streamed(ANSWER)) == [
        ROLE,
        {"reasoning_content": "Hm."},
        {"content": "I "},
        {"content": "look."},
        {"tool_calls": [first]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"path":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"a"}'}}]},
        {"tool_calls": [second]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]


def test_one_chunk_in_full() -> None:
    """Every field of a chunk stands as in the recorded answers of OpenAI, in their order."""
    with_usage = output(encoder(), [TextDelta('é"\n\x00')]).split(b"\n\n")[1]
    without = output(encoder(include_usage=False), [TextDelta('é"\n\x00')]).split(b"\n\n")[1]
    written = (
        'data: {"id":"chatcmpl-Ab1","object":"chat.completion.chunk","created":1700000000,'
        '"model":"gpt-4o \\"mini\\" 通","system_fingerprint":null,'
        '"choices":[{"index":0,"delta":{"content":"é\\"\\n\\u0000"},"logprobs":null,"finish_reason":null}]'
    )
    assert with_usage.decode() == written + ',"usage":null}'
    assert without.decode() == written + "}"


def test_usage_comes_last_when_asked_for() -> None:
    """The last reported total stands in a chunk of its own, between the finish chunk and the end mark."""
    events: list[StreamEvent] = [
        TextDelta("Hi"),
        UsageReported(Usage(1, 1)),
        UsageReported(Usage(10, 5)),
        ResponseEnded("stop"),
    ]
    *_, usage, end = streamed(events)
    assert (usage["choices"], usage["usage"]["total_tokens"], end) == ([], 15, DONE)
    assert "usage" not in json.dumps(streamed(events, include_usage=False)[:-1])


def test_nothing_is_written_before_something_is_visible() -> None:
    """Until the first words or call an empty answer can still become an HTTP error."""
    quiet: list[StreamEvent] = [
        STARTED,
        UsageReported(Usage(1, 0)),
        TextDelta(""),
        ReasoningDelta(""),
        ToolCallDelta(0, ""),
    ]
    stage = encoder()
    assert [list(stage.feed(event)) for event in quiet] == [[]] * len(quiet)
    (piece,) = stage.feed(TextDelta("Hi"))
    assert deltas(chunks_of(piece)) == [ROLE, {"content": "Hi"}]


def test_answer_without_words_is_a_legal_stream() -> None:
    """An answer that ends before anything was visible has a role, an end and nothing else."""
    chunks = streamed([STARTED, ResponseEnded("stop")])
    assert deltas(chunks) == [ROLE, {}]
    raw = output(encoder(), [STARTED, ResponseEnded("stop")])
    assert check_stream(raw, include_usage=True) == ["the answer is empty: no content, no call"]


@pytest.mark.parametrize("visible", [[], [TextDelta("Hi")], [ToolCallStarted(0, "call_0", "read_file")]])
@pytest.mark.parametrize("include_usage", [True, False])
def test_failure_is_an_error_event_and_the_last(visible: list[StreamEvent], include_usage: bool) -> None:
    """After a failure comes nothing: no finish_reason, no end mark, no later event."""
    stage = encoder(include_usage=include_usage)
    raw = output(stage, [STARTED, *visible, FAILED, TextDelta("x"), ResponseEnded("stop"), FAILED])
    assert check_stream(raw, include_usage=include_usage, tools=TOOLS, expect_error=True) == []
    assert chunks_of(raw)[-1]["error"] == FAILED.error.envelope()["error"]


def test_failure_can_always_be_written() -> None:
    """Words of Qwen's that no UTF-8 can carry do not stand in the way of the error."""
    raw = output(encoder(), [ResponseFailed(QwenRefused("Qwen said: \ud83d"))])
    assert chunks_of(raw)[-1]["error"]["message"] == "Qwen said: \ufffd"


@pytest.mark.parametrize("length", range(len(ANSWER)))
def test_end_of_input_before_the_end_is_a_failure(length: int) -> None:
    """A stream that is closed early says so, since clients take a mere end for a whole answer."""
    raw = output(encoder(), ANSWER[:length])
    assert check_stream(raw, include_usage=True, tools=TOOLS, expect_error=True) == []
    assert chunks_of(raw)[-1]["error"]["code"] == "qwen_answer_cut_off"


@given(events=ENDED, include_usage=st.booleans())
@settings(deadline=None)
def test_every_answer_keeps_openais_promises(events: list[StreamEvent], include_usage: bool) -> None:
    """Whatever the model says in whatever order, the stream passes the judge and OpenAI's own types."""
    raw = output(encoder(include_usage=include_usage), events)
    found = check_stream(raw, include_usage=include_usage, tools=TOOLS)
    assert found == ([] if is_visible(events) else ["the answer is empty: no content, no call"])
    for chunk in chunks_of(raw)[:-1]:
        ChatCompletionChunk.model_validate(chunk)


@given(events=bodies())
@settings(deadline=None)
def test_every_failure_keeps_openais_promises(events: list[StreamEvent]) -> None:
    """Wherever a failure comes, the stream up to it is good and the failure is the last of it."""
    raw = output(encoder(), [STARTED, *events, FAILED])
    assert check_stream(raw, include_usage=True, tools=TOOLS, expect_error=True) == []


@given(events=ENDED)
@settings(deadline=None)
def test_no_word_is_lost(events: list[StreamEvent]) -> None:
    """Texts, reasoning and calls come out whole and in order."""
    message = message_of(streamed(events))
    assert message["content"] == "".join(event.text for event in events if isinstance(event, TextDelta))
    assert message["reasoning"] == "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    names = [event.name for event in events if isinstance(event, ToolCallStarted)]
    assert [call["function"]["name"] for call in message["calls"]] == names
    arguments = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    assert "".join(call["function"]["arguments"] for call in message["calls"]) == arguments


def test_openais_own_accumulator_reads_it() -> None:
    """openai-python's stream helper puts the answer together as it was meant."""
    state = ChatCompletionStreamState()
    for chunk in streamed(ANSWER)[:-1]:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    final = state.get_final_completion()
    (choice,) = final.choices
    assert choice.message.content == "I look."
    assert choice.finish_reason == "tool_calls"
    assert [call.function.arguments for call in choice.message.tool_calls or ()] == ['{"path":"a"}', "{}"]
    assert final.usage is not None
    assert final.usage.total_tokens == 15


def recut(events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """Each delta cut into its characters."""
    cut: list[StreamEvent] = []
    for event in events:
        match event:
            case TextDelta(text) | ReasoningDelta(text):
                cut += [type(event)(character) for character in text]
            case ToolCallDelta(index, arguments):
                cut += [ToolCallDelta(index, character) for character in arguments]
            case _:
                cut.append(event)
    return cut


@given(events=ENDED)
@settings(deadline=None, max_examples=50)
def test_stage_laws(events: list[StreamEvent]) -> None:
    """Cut-free, total close, one end, eager."""
    stage_laws.check_cut_free(encoder, events, recut(events), lambda raw: message_of(chunks_of(b"".join(raw))))
    stage_laws.check_close(encoder, events)
    stage_laws.check_close(encoder, events[:-1])
    stage_laws.check_ending(encoder, events, lambda piece: piece.endswith(b"data: [DONE]\n\n"))
    stage_laws.check_ending(encoder, [*events[:-1], FAILED], lambda piece: piece.startswith(b'data: {"error":'))
    stage_laws.check_eager(encoder, events)


def test_nothing_is_held_and_work_is_linear() -> None:
    """What the encoder keeps is its templates, however long the answer, and each delta costs the same."""

    def long(count: int) -> list[StreamEvent]:
        return [STARTED, *(TextDelta("x" * 50) for _ in range(count)), ResponseEnded("stop")]

    stage_laws.check_bounded(encoder, long(500), 3000)
    stage_laws.check_linear(encoder, long)


def test_tool_call_is_opened_before_its_arguments() -> None:
    """A call alone opens the answer with the role, in the same piece of bytes."""
    stage = encoder()
    (piece,) = stage.feed(ToolCallStarted(0, "call_0", "read_file"))
    assert [sorted(delta) for delta in deltas(chunks_of(piece))] == [sorted(ROLE), ["tool_calls"]]
    assert list(stage.feed(ToolCallEnded(0))) == []


def test_events_are_whole_in_each_piece() -> None:
    """Each piece of bytes ends where an event ends, so a keep-alive comment may go between any two."""
    pieces = stage_laws.run(encoder, ANSWER)
    assert all(piece.endswith(b"\n\n") for piece in pieces)
