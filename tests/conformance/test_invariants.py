"""Faults are seeded into good answers; the judge must see each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.conformance.invariants import (
    check_body,
    check_error,
    check_head,
    check_model,
    check_models,
    check_stream,
)
from tests.conformance.seeded import (
    BODY_FAULTS,
    ERROR,
    FAULTS,
    RAW_FAULTS,
    TOOLS,
    USAGE,
    body,
    delta,
    good,
    message,
    text_only,
    written,
)


def test_good_streams_pass() -> None:
    """The streams the faults are seeded into are good, for this judge and for OpenAI's own types."""
    assert check_stream(written(good()), include_usage=True, tools=TOOLS) == []
    assert check_stream(written(text_only()), include_usage=False) == []
    for one in (*good(), *text_only()):
        ChatCompletionChunk.model_validate(one)


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_a_chunk_is_seen(fault: str) -> None:
    """Each fault in the chunks breaks a promise."""
    chunks = good()
    FAULTS[fault](chunks)
    assert check_stream(written(chunks), include_usage=True, tools=TOOLS)


@pytest.mark.parametrize("fault", RAW_FAULTS)
def test_fault_in_the_bytes_is_seen(fault: str) -> None:
    """Each fault in the frame breaks a promise."""
    assert check_stream(RAW_FAULTS[fault](written(good())), include_usage=True, tools=TOOLS)


def test_comments_are_no_fault() -> None:
    """Keep-alive comments may stand anywhere between events."""
    assert (
        check_stream(b": wait\n\n" + written(text_only()).replace(b"\n\n", b"\n\n: wait\n\n"), include_usage=False)
        == []
    )


@pytest.mark.parametrize("usage", [None, USAGE])
def test_usage_nobody_asked_for_is_seen(usage: dict[str, Any] | None) -> None:
    """Without include_usage no chunk has the field."""
    chunks = text_only()
    chunks[1]["usage"] = usage
    assert check_stream(written(chunks), include_usage=False)


@pytest.mark.parametrize("words", ["", None])
def test_empty_answer_is_seen(words: str | None) -> None:
    """An answer without content and calls is a failure, not an answer."""
    chunks = text_only()
    delta(chunks, 1)["content"] = words
    assert check_stream(written(chunks), include_usage=False)


def test_tool_calls_without_calls_are_seen() -> None:
    """The finish_reason tool_calls needs a call."""
    chunks = text_only()
    chunks[-1]["choices"][0]["finish_reason"] = "tool_calls"
    assert check_stream(written(chunks), include_usage=False)


def test_words_after_the_finish_are_seen() -> None:
    """Nothing may follow the finish_reason, in an answer without calls as well."""
    chunks = text_only()
    chunks.append(chunks.pop(1))
    assert check_stream(written(chunks), include_usage=False)


def test_cut_answer_may_have_calls() -> None:
    """Length says that something is missing, with calls and without."""
    chunks = good()
    chunks[8]["choices"][0]["finish_reason"] = "length"
    assert check_stream(written(chunks), include_usage=True, tools=TOOLS) == []


def test_failed_stream_is_judged_as_one() -> None:
    """An expected failure is an error event and nothing after it; half a call before it is no fault."""
    broken = written(good()[:5], end="")
    failed = broken + written([ERROR], end="")

    def judge(raw: bytes) -> list[str]:
        return check_stream(raw, include_usage=True, tools=TOOLS, expect_error=True)

    assert judge(failed) == []
    assert judge(written([ERROR], end="")) == []
    assert check_stream(failed, include_usage=True, tools=TOOLS)
    assert judge(broken)
    assert judge(failed + b"data: [DONE]\n\n")
    assert judge(failed + failed)
    assert judge(written([ERROR], end="") + broken)
    assert judge(written(good()[:9], end="") + written([ERROR], end=""))
    assert judge(broken + written([{"error": {"message": "x"}}], end=""))
    assert judge(b"")


def test_good_body_passes() -> None:
    """The object the faults are seeded into is good, for this judge and for OpenAI's own types."""
    assert check_body(body(), tools=TOOLS) == []
    ChatCompletion.model_validate(body())
    silent = body()
    message(silent)["content"] = None
    assert check_body(silent, tools=TOOLS) == []


@pytest.mark.parametrize("fault", BODY_FAULTS)
def test_fault_in_a_body_is_seen(fault: str) -> None:
    """Each fault in a whole answer breaks a promise."""
    obj = body()
    BODY_FAULTS[fault](obj)
    assert check_body(obj, tools=TOOLS)


@pytest.mark.parametrize("calls", [[], None])
def test_calls_of_a_body_are_there_or_absent(calls: object) -> None:
    """An answer without calls has no field for them."""
    obj = body()
    obj["choices"][0]["finish_reason"] = "stop"
    message(obj)["tool_calls"] = calls
    assert check_body(obj, tools=TOOLS)


JSON_HEADERS = {"Content-Type": "application/json"}


def test_good_error_passes() -> None:
    """The four keys, an error status and JSON make an error."""
    assert check_error(502, {"content-type": "application/json; charset=utf-8"}, json.dumps(ERROR).encode()) == []


@pytest.mark.parametrize(
    ("status", "headers", "raw"),
    [
        (200, JSON_HEADERS, json.dumps(ERROR).encode()),
        (500, {"Content-Type": "text/plain"}, json.dumps(ERROR).encode()),
        (500, {}, json.dumps(ERROR).encode()),
        (500, JSON_HEADERS, b"Internal Server Error"),
        (500, JSON_HEADERS, b""),
        (500, JSON_HEADERS, b"\xff"),
        (500, JSON_HEADERS, b'{"message":"x"}'),
        (500, JSON_HEADERS, b'{"error":"x"}'),
        (500, JSON_HEADERS, b'{"error":{"message":"x","type":"y","param":null}}'),
        (500, JSON_HEADERS, b'{"error":{"message":"","type":"y","param":null,"code":null}}'),
        (500, JSON_HEADERS, b'{"error":{"message":"x","type":"y","param":1,"code":null}}'),
    ],
)
def test_fault_in_an_error_is_seen(status: int, headers: dict[str, str], raw: bytes) -> None:
    """Each fault in an error answer breaks a promise."""
    assert check_error(status, headers, raw)


def test_head_is_judged() -> None:
    """A stream is an event stream, a body is JSON, and success is 200."""
    stream = {"content-type": "text/event-stream; charset=utf-8"}
    assert check_head(200, stream, stream=True) == []
    assert check_head(200, JSON_HEADERS, stream=False) == []
    assert check_head(200, JSON_HEADERS, stream=True)
    assert check_head(200, stream, stream=False)
    assert check_head(201, stream, stream=True)


MODEL = {"id": "m", "object": "model", "created": 1, "owned_by": "qwen"}


def test_models_are_judged() -> None:
    """A list names its object, each model has the four fields, and none comes twice."""
    assert check_models({"object": "list", "data": [MODEL, {**MODEL, "id": "n", "context_length": 9}]}) == []
    assert check_models({"object": "list", "data": []}) == []
    assert check_model(MODEL) == []
    assert check_models({"data": [MODEL]})
    assert check_models({"object": "list", "data": {}})
    assert check_models({"object": "list", "data": [MODEL, MODEL]})
    for field in MODEL:
        faulty = {key: value for key, value in MODEL.items() if key != field}
        assert check_model(faulty)
        assert check_models({"object": "list", "data": [faulty]})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(deadline=None)
def test_any_json_is_judged(data: st.DataObject) -> None:
    """A field of any kind in any place makes the judge speak, never raise."""
    chunks, obj = good(), body()
    value = data.draw(JSON_VALUES)
    target = data.draw(st.sampled_from([*_objects(chunks), *_objects(obj)]))
    target[data.draw(st.sampled_from(sorted(target) or ["x"]))] = value
    check_stream(written(chunks), include_usage=True, tools=TOOLS)
    check_body(obj, tools=TOOLS)
    check_models(value)
    check_model(value)
    check_error(500, JSON_HEADERS, json.dumps(value).encode())


def _objects(value: Any) -> list[dict[str, Any]]:
    """Every object inside a value."""
    if isinstance(value, list):
        return [found for one in value for found in _objects(one)]
    if isinstance(value, dict):
        return [value, *(found for one in value.values() for found in _objects(one))]
    return []
