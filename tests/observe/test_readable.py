"""Turns as text for people."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.observe.readable import LONGEST, answer, question

CLIENT = orjson.dumps(
    {
        "model": "gpt-4o",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url"}]},
            {"role": "assistant", "content": None},
        ],
    }
)
QWEN = orjson.dumps({"chat_id": "c1", "parent_id": "p1", "model": "qwen3-max", "messages": [{"content": "你好"}]})


def test_a_question_shows_both_requests() -> None:
    """The client's history in short, the message to Qwen in full, and where the conversation went."""
    text = question(CLIENT, QWEN, "hit depth=2/3")
    for words in ("gpt-4o", "Be brief.", "What is this?\n[image_url]", "hit depth=2/3", "chat c1", "parent p1", "你好"):
        assert words in text


def test_a_question_that_never_reached_qwen_is_shown_all_the_same() -> None:
    """A turn that failed early still shows what the client sent."""
    assert "(nothing yet)" in question(CLIENT, b"", "undecided")


def test_a_long_message_is_cut_with_its_rest_counted() -> None:
    """Nobody's screen is filled by one message; the number of hidden characters is said."""
    body = orjson.dumps({"messages": [{"content": "x" * (LONGEST + 7)}]})
    assert "(7 more characters)" in question(CLIENT, body, "new")


def test_a_streamed_answer_is_put_together() -> None:
    """Reasoning, text, calls, finish reason and usage come out of the chunks in order; comments are read over."""
    deltas = [{"reasoning_content": "Hm."}, {"content": "Hel"}, {"content": "lo"}, {"tool_calls": [{"index": 0}]}]
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": 3}})
    body = b": keep-alive\n\n" + b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)
    text = answer(body + b"data: [DONE]\n\n")
    assert text.index("REASONING\nHm.") < text.index("TEXT\nHello") < text.index("tool call:")
    assert "finish_reason: stop" in text
    assert '"total_tokens":3' in text


def test_the_calls_are_shown_as_they_were_read() -> None:
    """Dialect, repairs and verdict stand below what the client was told."""
    text = answer(orjson.dumps({"choices": [{"message": {"content": "Hello"}}]}), "put hermes_json released")
    assert text.endswith("CALLS AS THEY WERE READ\nput hermes_json released")


def test_a_whole_answer_and_an_error_are_shown() -> None:
    """One JSON document reads like a stream does."""
    whole = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
    assert "TEXT\nHello" in answer(orjson.dumps(whole))
    assert "qwen_timeout" in answer(orjson.dumps({"error": {"code": "qwen_timeout"}}))


@pytest.mark.parametrize("body", [b"", b"<html>", b"data: nothing\n\n", b"\xff\xfe"])
def test_what_cannot_be_read_is_shown_as_it_is(body: bytes) -> None:
    """Bytes of no known form come through."""
    assert answer(body) == body.decode("utf-8", "replace")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "content", "choices", "delta", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_like, st.binary(max_size=40))
def test_nothing_raises(value: object, noise: bytes) -> None:
    """A view must not fail on whatever a client or Qwen sends."""
    body = json.dumps(value).encode()
    for data in (body, noise, b"data: " + body + b"\n\n"):
        assert isinstance(question(data, data, ""), str)
        assert isinstance(answer(data), str)


def test_a_whole_call_is_shown_as_name_and_arguments() -> None:
    """A piece of one, or what is no call at all, as it came."""
    whole = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
    chunk = {"choices": [{"delta": {"tool_calls": [whole, {"index": 0, "function": {"arguments": "}"}}]}}]}
    shown = answer(b"data: " + orjson.dumps(chunk) + b"\n\n")
    assert 'tool call: read {"path": "a"}  (call_1)' in shown
    assert 'tool call: {"index":0,"function":{"arguments":"}"}}' in shown
