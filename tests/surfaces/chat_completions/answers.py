"""Sequences of events as an exchange may hand them to a surface, and what is needed to judge the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from qwen_bridge.errors import AnswerCutOff
from qwen_bridge.events import (
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
from qwen_bridge.stage import Stage
from qwen_bridge.surfaces.surface import AnswerHead
from tests.conformance.framing import read_events

HEAD = AnswerHead("chatcmpl-Ab1", 1_700_000_000, 'gpt-4o "mini" 通')
TOOLS = ("read_file", "list_files", "mcp--a--b")
STARTED = ResponseStarted("chat", "user", "answer")
FAILED = ResponseFailed(AnswerCutOff("Qwen broke off."))

# No lone surrogates: the two JSON libraries of the judges differ about them.
WORDS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
USAGES = st.builds(
    lambda prompt, completion, share: Usage(prompt, completion, completion // share, prompt // share),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 9),
)


def whole_call(index: int, name: str, arguments: Sequence[str]) -> list[StreamEvent]:
    deltas = [ToolCallDelta(index, piece) for piece in arguments]
    return [ToolCallStarted(index, f"call_{index}", name), *deltas, ToolCallEnded(index)]


@st.composite
def bodies(draw: st.DrawFn) -> list[StreamEvent]:
    """The events between start and end, in any order a model may produce; calls are whole."""
    events: list[StreamEvent] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["reasoning", "text", "call", "usage"]), max_size=10)):
        match kind:
            case "reasoning":
                events.append(ReasoningDelta(draw(WORDS)))
            case "text":
                events.append(TextDelta(draw(WORDS)))
            case "usage":
                events.append(UsageReported(draw(USAGES)))
            case _:
                arguments = json.dumps(draw(st.dictionaries(WORDS, WORDS, max_size=2)))
                cut = draw(st.integers(0, len(arguments)))
                events += whole_call(calls, draw(st.sampled_from(TOOLS)), [arguments[:cut], arguments[cut:]])
                calls += 1
    return events


REASONS = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])
ENDED: st.SearchStrategy[list[StreamEvent]] = st.builds(
    lambda body, reason: [STARTED, *body, ResponseEnded(reason)], bodies(), REASONS
)
"""Answers that end well."""


def is_visible(events: Iterable[StreamEvent]) -> bool:
    """Whether an answer has content or a call: reasoning alone is none."""
    return any(isinstance(event, ToolCallStarted) or (isinstance(event, TextDelta) and event.text) for event in events)


def output(stage: Stage[StreamEvent, bytes], events: Iterable[StreamEvent]) -> bytes:
    pieces = [piece for event in events for piece in stage.feed(event)]
    return b"".join([*pieces, *stage.close()])


def chunks_of(raw: bytes) -> list[Any]:
    """The decoded data of a stream that is written well."""
    payloads, faults = read_events(raw)
    assert faults == []
    return payloads


def message_of(chunks: Iterable[Any]) -> dict[str, Any]:
    """A stream put together again as openai-python's accumulator does it: what its reader ends up with."""
    content, reasoning, reason = "", "", None
    calls: list[dict[str, Any]] = []
    for choice in (choice for chunk in chunks if isinstance(chunk, dict) for choice in chunk["choices"]):
        delta = choice["delta"]
        content += delta.get("content") or ""
        reasoning += delta.get("reasoning_content") or ""
        reason = choice["finish_reason"] or reason
        for call in delta.get("tool_calls", ()):
            if "id" in call:
                calls.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return {"content": content, "reasoning": reasoning, "calls": calls, "reason": reason}
