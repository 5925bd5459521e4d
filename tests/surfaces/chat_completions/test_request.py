from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.errors import EmptyArray, InvalidRequest, RequestError, UnsupportedParameter
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolChoice, ToolSpec
from qwen_bridge.surfaces.chat_completions.request import parse
from qwen_bridge.wire.openai_chat import WireChatRequest
from tests.harness.shared import CLIENTS, needs_shared

USER = {"role": "user", "content": "Hi"}


def parsed(**fields: Any) -> ChatRequest:
    return parse(json.dumps({"model": "qwen3-max", "messages": [USER], **fields}).encode())


def recorded() -> list[Path]:
    """The recorded requests of this API; the folder holds those of the Responses API, too."""
    return [file for file in sorted(CLIENTS.glob("*/*.json")) if b"/chat/completions" in file.read_bytes()]


def test_smallest_request() -> None:
    """A model and one message are enough, and everything else has its default."""
    assert parsed() == ChatRequest("qwen3-max", (Message("user", (TextPart("Hi"),)),))


def test_every_field_arrives() -> None:
    """What the bridge reads comes through together."""
    tool = {"type": "function", "function": {"name": "ls", "description": "List."}}
    assert parsed(
        stream=True,
        stream_options={"include_usage": True},
        tools=[tool],
        tool_choice="required",
        parallel_tool_calls=False,
        reasoning_effort="high",
    ) == ChatRequest(
        model="qwen3-max",
        messages=(Message("user", (TextPart("Hi"),)),),
        stream=True,
        include_usage=True,
        tools=(ToolSpec("ls", "List.", {}),),
        tool_choice=ToolChoice("required"),
        parallel_tool_calls=False,
        thinking=True,
    )


@pytest.mark.parametrize("name", sorted(WireChatRequest.model_fields.keys() - {"model", "messages"}))
def test_null_is_as_good_as_missing(name: str) -> None:
    """An optional field that is null says nothing."""
    assert parsed(**{name: None}) == parsed()


def test_what_tunes_sampling_is_ignored() -> None:
    """Fields that a web chat has no control for are taken whatever they hold."""
    sampling = ("temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens", "logit_bias")
    bookkeeping = ("store", "metadata", "user", "service_tier", "response_format", "logprobs", "a_field_of_next_year")
    assert parsed(**{name: ["anything", {"at": "all"}] for name in (*sampling, *bookkeeping)}) == parsed()


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "minimal"}, False),
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "xhigh"}, True),
        ({"enable_thinking": False}, False),
        ({"enable_thinking": True, "thinking": False, "reasoning_effort": "none"}, True),
        ({"chat_template_kwargs": {"enable_thinking": False}, "thinking": True}, False),
        ({"chat_template_kwargs": {}, "thinking": True}, True),
        ({"thinking": False, "reasoning_effort": "high"}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, True),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, False),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "reasoning_effort": "high"}, True),
    ],
)
def test_thinking_is_read_in_every_form(fields: dict[str, Any], thinking: bool | None) -> None:
    """Of the ways to ask for thought the more direct word wins, and silence stays silence."""
    assert parsed(**fields).thinking is thinking


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"nonsense", None, "not valid JSON"),
        (b"[]", None, "must be a JSON object"),
        (b'{"messages": [{"role": "user", "content": "Hi"}]}', "model", "required"),
        (b'{"model": "", "messages": [{"role": "user", "content": "Hi"}]}', "model", "must not be empty"),
        (b'{"model": null, "messages": []}', "model", "must be a string; it is null"),
        (b'{"model": "m"}', "messages", "required"),
        (b'{"model": "m", "messages": null}', "messages", "must be an array; it is null"),
        (b'{"model": "m", "input": "Hi"}', "messages", "Responses API"),
        (b'{"model": "m", "messages": [{}]}', "messages[0].role", "required"),
        (b'{"model": "m", "messages": [{"role": "user", "content": [{}]}]}', "messages[0].content[0].type", "required"),
        (b'{"model": "m", "messages": ["Hi"]}', "messages[0]", "must be an object; it is a string"),
        (
            b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 1}]}]}',
            "messages[0].content[0].image_url",
            "must be a string or an object; it is a number",
        ),
        (
            b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}',
            "messages[0].content[0].image_url.url",
            "required",
        ),
    ],
)
def test_bad_body_is_named(body: bytes, param: str | None, words: str) -> None:
    """Each bad body says which field is bad, and how."""
    with pytest.raises(InvalidRequest, match=words) as refused:
        parse(body)
    assert refused.value.param == param
    assert refused.value.status == 400


def test_empty_messages_have_a_code_of_their_own() -> None:
    """An empty history is OpenAI's empty_array."""
    with pytest.raises(EmptyArray) as refused:
        parsed(messages=[])
    assert (refused.value.code, refused.value.param) == ("empty_array", "messages")


@pytest.mark.parametrize(
    ("fields", "param"), [({"n": 2}, "n"), ({"n": 0}, "n"), ({"modalities": ["text", "audio"]}, "modalities")]
)
def test_what_would_be_another_answer_is_unsupported(fields: dict[str, Any], param: str) -> None:
    """A wish that would get something else than was asked for is refused."""
    with pytest.raises(UnsupportedParameter) as refused:
        parsed(**fields)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", param)


def test_one_choice_and_text_are_fine() -> None:
    """What a web chat does anyway may be asked for."""
    assert parsed(n=1, modalities=["text"]) == parsed()


def test_lone_surrogates_do_no_harm_later() -> None:
    """Half an emoji in any text of the request leaves texts that UTF-8 can carry."""
    request = parse(
        rb'{"model": "m\ud800", "messages": [{"role": "user", "content": "a\udc00", "name": "\ud800"}],'
        rb' "tools": [{"function": {"name": "\ud83dls", "parameters": {"\ud83d": "\ud83d\ude00"}}}]}'
    )
    assert request.messages[0].text == "a\ufffd"
    assert orjson.dumps(request.tools[0].parameters) == '{"\ufffd":"😀"}'.encode()
    repr(request).encode()


@needs_shared
@pytest.mark.parametrize("file", recorded(), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_recorded_request_is_read(file: Path) -> None:
    """Each recorded chat request of a real client is read with all its messages, words, calls and tools."""
    body = json.loads(file.read_text(encoding="utf-8"))["body"]
    read = parse(json.dumps(body).encode())
    assert [tool.name for tool in read.tools] == [tool["function"]["name"] for tool in body.get("tools", [])]
    assert (read.stream, read.include_usage) == (body.get("stream", False), "stream_options" in body)
    for sent, message in zip(body["messages"], read.messages, strict=True):
        assert message.role == sent["role"]
        content = sent["content"]
        texts = [content] if isinstance(content, str) else [part["text"] for part in content]
        assert message.text == "\n".join(text for text in texts if text)
        calls = [(call["id"], call["function"]["arguments"]) for call in sent.get("tool_calls", [])]
        assert [(call.id, call.arguments) for call in message.tool_calls] == calls


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ROLES = ["system", "developer", "user", "assistant", "tool", "function"]
PART = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "file", "refusal", "input_audio", "thinking"])},
    optional={name: st.text(max_size=8) | JSON for name in ("text", "refusal", "image_url", "file")},
)
CALL = st.fixed_dictionaries(
    {"id": st.text(max_size=4)},
    optional={
        "type": st.sampled_from(["function", "custom", "x"]),
        "function": st.fixed_dictionaries({"name": st.text(max_size=4)}, optional={"arguments": JSON}),
        "custom": st.fixed_dictionaries({"name": st.text(max_size=4), "input": st.text(max_size=4)}),
    },
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES)},
    optional={
        "content": st.none() | st.text(max_size=8) | st.lists(PART, max_size=3) | JSON,
        "name": st.text(max_size=4),
        "tool_call_id": st.text(max_size=4),
        "tool_calls": st.lists(CALL, max_size=2),
        "function_call": JSON,
        "refusal": st.none() | st.text(max_size=4),
    },
)
OPTIONS = [
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "thinking",
    "n",
    "modalities",
]
BODY = st.fixed_dictionaries(
    {"model": st.text(max_size=4), "messages": st.lists(MESSAGE | JSON, max_size=3) | JSON},
    optional=dict.fromkeys(OPTIONS, JSON),
)


@given(st.binary(max_size=100) | BODY.map(json.dumps).map(str.encode) | JSON.map(json.dumps).map(str.encode))
@settings(deadline=None)
def test_any_body_is_a_request_or_a_request_error(body: bytes) -> None:
    """Nothing that can be sent makes anything but a ChatRequest or a RequestError, and both can be written down."""
    try:
        request = parse(body)
    except RequestError as error:
        orjson.dumps(error.envelope())
    else:
        repr(request).encode()
        assert request.messages
