from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from qwen_bridge.errors import InvalidRequest, UnsupportedParameter
from qwen_bridge.messages import FilePart, ImagePart, Message, TextPart, ToolCall
from qwen_bridge.surfaces.chat_completions.history import read
from qwen_bridge.wire.openai_chat import WireMessage

WIRE = TypeAdapter(list[WireMessage])


def messages(*raw: dict[str, Any]) -> tuple[Message, ...]:
    return read(WIRE.validate_python(list(raw)))


def one(**raw: Any) -> Message:
    (message,) = messages(raw)
    return message


def user(*parts: dict[str, Any]) -> Message:
    return one(role="user", content=list(parts))


@pytest.mark.parametrize("role", ["system", "developer"])
def test_developer_is_system(role: str) -> None:
    """Both words for the instructions are one role."""
    assert one(role=role, content="Be brief.") == Message("system", (TextPart("Be brief."),))


@pytest.mark.parametrize(
    "content",
    ["Hi", [{"type": "text", "text": "Hi"}], [{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}]],
)
def test_string_and_part_are_one(content: object) -> None:
    """A string and one text part with the same words make the same message."""
    assert one(role="user", content=content) == Message("user", (TextPart("Hi"),))


@pytest.mark.parametrize("nothing", [{}, {"content": None}, {"content": ""}, {"content": []}])
@pytest.mark.parametrize("role", [{"role": "assistant"}, {"role": "tool", "tool_call_id": "call_1"}])
def test_no_content_is_no_parts(role: dict[str, str], nothing: dict[str, object]) -> None:
    """Missing, null and empty contents of an assistant or tool are the same."""
    assert one(**role, **nothing).parts == ()


def test_name_is_kept() -> None:
    """The optional name of a participant comes through."""
    assert one(role="user", name="anna", content="Hi").name == "anna"


def test_parts_keep_their_order() -> None:
    """Text, images in both forms and files come through in order and as they were."""
    assert user(
        {"type": "text", "text": " a\n", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
        {"type": "image_url", "image_url": "HTTPS://example.org/a.png"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "AA=="}},
    ).parts == (
        TextPart(" a\n"),
        ImagePart("data:image/png;base64,AA=="),
        ImagePart("HTTPS://example.org/a.png"),
        FilePart("a.pdf", "data:application/pdf;base64,AA=="),
        FilePart("file-1", ""),
        FilePart("file", "AA=="),
    )


def test_tool_round_trip() -> None:
    """A call and its answer keep id, name and the arguments' own text."""
    call = {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": '{"a":  1}'}}
    assert messages(
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a.py"}]},
    ) == (
        Message("assistant", tool_calls=(ToolCall("call_1", "ls", '{"a":  1}'),)),
        Message("tool", (TextPart("a.py"),), tool_call_id="call_1"),
    )


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"function": {"name": "ls", "arguments": ""}}, ToolCall("c", "ls", "")),
        ({"function": {"name": "ls", "arguments": {"a": [1, "é"]}}}, ToolCall("c", "ls", '{"a":[1,"é"]}')),
        ({"function": {"name": "ls"}}, ToolCall("c", "ls", "{}")),
        ({"function": {"name": "ls", "arguments": None}, "type": None}, ToolCall("c", "ls", "{}")),
        ({"type": "custom", "custom": {"name": "sh", "input": 'a "b"'}}, ToolCall("c", "sh", '{"input":"a \\"b\\""}')),
    ],
)
def test_calls_are_read_in_every_form(call: dict[str, Any], expected: ToolCall) -> None:
    """A call without type, without arguments, with an object for them, or of a custom tool is a call."""
    assert one(role="assistant", tool_calls=[{"id": "c", **call}]).tool_calls == (expected,)


def test_legacy_call_and_answer_are_tied() -> None:
    """The function call of 2023 and its answer get one id, the same whatever stands before them."""
    pair = (
        {"role": "assistant", "content": None, "function_call": {"name": "ls", "arguments": "{}"}},
        {"role": "function", "name": "ls", "content": "a.py"},
    )
    expected = (
        Message("assistant", tool_calls=(ToolCall("function_ls", "ls", "{}"),)),
        Message("tool", (TextPart("a.py"),), "ls", tool_call_id="function_ls"),
    )
    assert messages(*pair) == expected
    assert messages({"role": "user", "content": "Hi"}, *pair)[1:] == expected


def test_refusal_is_what_the_assistant_said() -> None:
    """A refusal, beside the content or as a part, is text of the assistant."""
    assert one(role="assistant", content=None, refusal="No.").text == "No."
    assert one(role="assistant", content=[{"type": "refusal", "refusal": "No."}]).text == "No."


def test_reasoning_is_left_out() -> None:
    """Reasoning that a client echoes, beside the content or as a part, is no part of the history."""
    parts = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Hi"}]
    assert one(role="assistant", content=parts, reasoning_content="Hm.") == Message("assistant", (TextPart("Hi"),))


CALL = {"id": "c", "type": "function", "function": {"name": "ls", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ({"role": "robot", "content": "Hi"}, "role"),
        ({"role": "", "content": "Hi"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": None}, "content"),
        ({"role": "system", "content": None}, "content"),
        ({"role": "tool", "content": "a"}, "tool_call_id"),
        ({"role": "tool", "content": "a", "tool_call_id": ""}, "tool_call_id"),
        ({"role": "function", "content": "a"}, "name"),
        ({"role": "assistant", "tool_calls": [CALL, {**CALL, "id": None}]}, "tool_calls[1].id"),
        ({"role": "assistant", "tool_calls": [{**CALL, "function": None}]}, "tool_calls[0].function"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom"}]}, "tool_calls[0].custom"),
        ({"role": "assistant", "tool_calls": [{**CALL, "type": "mcp"}]}, "tool_calls[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "content[0].text"),
        ({"role": "user", "content": [{"type": "refusal"}]}, "content[0].refusal"),
        ({"role": "user", "content": [{"type": "tool_use", "text": "a"}]}, "content[0].type"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "content[0].image_url"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "file:///a"}]}, "content[0].image_url"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": ""}}]}, "content[0].image_url.url"),
        ({"role": "user", "content": [{"type": "file"}]}, "content[0].file"),
        ({"role": "user", "content": [{"type": "file", "file": {"filename": "a"}}]}, "content[0].file"),
    ],
)
def test_what_is_missing_or_unknown_is_named(raw: dict[str, Any], param: str) -> None:
    """Each field that a kind of message or part needs is asked for by its path."""
    with pytest.raises(InvalidRequest) as refused:
        messages({"role": "user", "content": "Hi"}, raw)
    assert refused.value.param == f"messages[1].{param}"
    assert f"messages[1].{param}" in refused.value.message


def test_audio_is_unsupported() -> None:
    """Audio is known to OpenAI and cannot be sent here."""
    with pytest.raises(UnsupportedParameter, match="Audio") as refused:
        user({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})
    assert refused.value.param == "messages[0].content[0].type"


def test_arguments_too_deep_are_refused() -> None:
    """Arguments given as an object that no one could write again are refused by name."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(InvalidRequest) as refused:
        one(role="assistant", tool_calls=[{"id": "c", "function": {"name": "ls", "arguments": deep}}])
    assert refused.value.param == "messages[0].tool_calls[0].function.arguments"
