"""Which messages count as the same, and which never do."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation.canonical import (
    INTERRUPTION_NOTES,
    OUTER_SPACE,
    canonical,
    instructions_digest,
    is_minted,
    pack,
)
from qwen_bridge.messages import ChatRequest, FilePart, ImagePart, Message, TextPart, ToolCall, ToolSpec
from tests.conversation.histories import assistant, messages, minted, minted_id, tool, user

FOREIGN = ToolCall("call_1", "read_file", '{"path": "a", "n": 1}')
TOOL_NOTE, USER_NOTE = INTERRUPTION_NOTES

SAME = {
    "parts and a string": (user("a", "b"), user("a\nb")),
    "parts beside a picture": (
        Message("user", (TextPart("a"), TextPart("b"), ImagePart("u"))),
        Message("user", (TextPart("a\nb"), ImagePart("u"))),
    ),
    "null content and empty content": (assistant(), Message("assistant", (TextPart(""),))),
    "aider's newlines around an answer": (assistant("The file says hello."), assistant("\nThe file says hello.\n\n")),
    "what JavaScript trims": (assistant("a"), assistant("\ufeff\xa0a\u2028")),
    "an answer stopped after its end by a tool": (assistant("<a>b</a>"), assistant("<a>b</a>" + TOOL_NOTE)),
    "an answer stopped after its end by its user": (assistant("<a>b</a>\n"), assistant("<a>b</a>" + USER_NOTE)),
    "a minted call whose arguments were written anew": (
        assistant("x", minted(1, '{"path": "a", "unknown": 1}')),
        assistant("x", minted(1, '{"path":"a"}')),
    ),
    "a foreign call with another id": (assistant("", FOREIGN), assistant("", replace(FOREIGN, id="toolu_9"))),
    "a foreign call with other spaces and order of keys": (
        assistant("", FOREIGN),
        assistant("", replace(FOREIGN, arguments='{"n":1,"path":"a"}')),
    ),
    "the result of a foreign call with another id": (tool("call_1", "x"), tool("toolu_9", "x")),
}

DIFFERENT = {
    "role": (user("a"), assistant("a")),
    "case": (assistant("Yes"), assistant("yes")),
    "punctuation": (assistant("Yes."), assistant("Yes")),
    "inner space": (assistant("a  b"), assistant("a b")),
    "inner line break": (assistant("a\r\nb"), assistant("a\nb")),
    "outer space of a user's text": (user("a"), user("a\n")),
    "outer space of a result": (tool(minted_id(1), "a"), tool(minted_id(1), "a\n")),
    "a piece of an answer": (assistant("<a>b</a>"), assistant("<a>b" + TOOL_NOTE)),
    "a note in a user's text": (user("a"), user("a" + USER_NOTE)),
    "a note in the middle": (assistant("a b"), assistant("a" + USER_NOTE + "b")),
    "name": (user("a", name="Ann"), user("a", name="Bob")),
    "no name and an empty one": (user("a"), user("a", name="")),
    "picture": (Message("user", (ImagePart("u"),)), Message("user", (ImagePart("v"),))),
    "place of a picture": (
        Message("user", (TextPart("a"), ImagePart("u"))),
        Message("user", (ImagePart("u"), TextPart("a"))),
    ),
    "picture and the text that stands for it": (Message("user", (ImagePart("u"),)), user("[image]")),
    "file name": (Message("user", (FilePart("f", "x"),)), Message("user", (FilePart("g", "x"),))),
    "file content": (Message("user", (FilePart("f", "x"),)), Message("user", (FilePart("f", "y"),))),
    "a call and none": (assistant("a", minted(1)), assistant("a")),
    "minted id": (assistant("a", minted(1)), assistant("a", minted(2))),
    "minted and foreign": (assistant("", minted(1)), assistant("", replace(minted(1), id="call_1"))),
    "order of calls": (assistant("", minted(1), minted(2)), assistant("", minted(2), minted(1))),
    "text beside a minted call": (assistant("a", minted(1)), assistant("b", minted(1))),
    "a foreign call's tool": (assistant("", FOREIGN), assistant("", replace(FOREIGN, name="write_file"))),
    "a foreign call's arguments": (assistant("", FOREIGN), assistant("", replace(FOREIGN, arguments='{"n":1}'))),
    "a true and a one": (
        assistant("", replace(FOREIGN, arguments='{"n":1}')),
        assistant("", replace(FOREIGN, arguments='{"n":true}')),
    ),
    "unparseable arguments": (
        assistant("", replace(FOREIGN, arguments="{")),
        assistant("", replace(FOREIGN, arguments="{ ")),
    ),
    "the minted call a result belongs to": (tool(minted_id(1), "x"), tool(minted_id(2), "x")),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_same(pair: tuple[Message, Message]) -> None:
    """What a client changes in its echo without changing the conversation has the same bytes."""
    assert canonical(pair[0]) == canonical(pair[1])


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different(pair: tuple[Message, Message]) -> None:
    """What changes the conversation changes the bytes."""
    assert canonical(pair[0]) != canonical(pair[1])


def meaning(message: Message) -> object:
    """The documented form, said once more and in other words: the value two messages share when they are the same."""
    content: list[tuple[str, ...]] = []
    for part in message.parts:
        match part:
            case TextPart(text) if content and content[-1][0] == "text":
                content[-1] = ("text", content[-1][1] + "\n" + text)
            case TextPart(text):
                content.append(("text", text))
            case ImagePart(url):
                content.append(("image", url))
            case FilePart(filename, data):
                content.append(("file", filename, data))
    if message.role == "assistant":
        content = [("text", heard(piece[1])) if piece[0] == "text" else piece for piece in content]
    calls = [call.id if is_minted(call.id) else (call.name, value(call.arguments)) for call in message.tool_calls]
    result_of = message.tool_call_id if is_minted(message.tool_call_id) else None
    return message.role, message.name, [piece for piece in content if piece != ("text", "")], calls, result_of


def heard(text: str) -> str:
    text = text.strip(OUTER_SPACE)
    for note in INTERRUPTION_NOTES:
        if text.endswith(note):
            return text[: -len(note)].strip(OUTER_SPACE)
    return text


def value(arguments: str) -> str:
    try:
        return "json " + json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return "raw " + arguments


@given(messages, messages)
def test_bytes_say_exactly_the_meaning(one: Message, other: Message) -> None:
    """Two messages have the same bytes exactly when the documented form of both is the same, whatever they contain."""
    assert (canonical(one) == canonical(other)) == (meaning(one) == meaning(other))


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_pack_is_unambiguous(one: list[bytes], other: list[bytes]) -> None:
    """No two lists of fields are packed into the same bytes."""
    assert (pack(*one) == pack(*other)) == (one == other)


READ = ToolSpec("read", "Reads.", {"type": "object", "properties": {"path": {"type": "string"}}})
WRITE = ToolSpec("write", "Writes.", {})


def request(system: str = "Help.", *tools: ToolSpec) -> ChatRequest:
    return ChatRequest("m", (Message("system", (TextPart(system),)), user("hi")), tools=tools)


def test_instructions_ignore_order_and_turns() -> None:
    """The order of tools and of keys in a schema, and what was said, do not change the digest."""
    flipped = ToolSpec("read", "Reads.", MappingProxyType(dict(reversed(list(READ.parameters.items())))))
    longer = replace(request("Help.", READ, WRITE), messages=(*request().messages, assistant("x"), user("y")))
    assert instructions_digest(request("Help.", WRITE, flipped)) == instructions_digest(longer)


@pytest.mark.parametrize(
    "changed",
    [
        request("Help. ", READ, WRITE),
        request("Help.", READ),
        request("Help.", READ, replace(WRITE, name="append")),
        request("Help.", READ, replace(WRITE, description="Writes")),
        request("Help.", READ, replace(WRITE, parameters={"type": "object"})),
        request("", READ, WRITE),
    ],
)
def test_instructions_change(changed: ChatRequest) -> None:
    """Any other difference in system text or tools changes the digest."""
    assert instructions_digest(changed) != instructions_digest(request("Help.", READ, WRITE))
