"""Messages in few words, for tables; and any message at all, for laws."""

from __future__ import annotations

from hypothesis import strategies as st

from qwen_bridge.conversation.canonical import MINTED_CALL_PREFIX
from qwen_bridge.messages import FilePart, ImagePart, Message, TextPart, ToolCall


def user(*texts: str, name: str | None = None) -> Message:
    return Message("user", tuple(TextPart(text) for text in texts), name=name)


def assistant(text: str = "", *calls: ToolCall) -> Message:
    return Message("assistant", (TextPart(text),) if text else (), tool_calls=calls)


def tool(call_id: str, text: str) -> Message:
    return Message("tool", (TextPart(text),), tool_call_id=call_id)


def minted(number: int, arguments: str = "{}", name: str = "read_file") -> ToolCall:
    return ToolCall(minted_id(number), name, arguments)


def minted_id(number: int) -> str:
    return f"{MINTED_CALL_PREFIX}{number}"


# A small alphabet, borders and half surrogates in it, so that different messages often look alike.
texts = st.text(st.sampled_from("ab :\n=1\r\ud83d\xa0"), max_size=8) | st.sampled_from(
    [
        "=== user ===",
        "\n=== 5f0c27d1a9be user ===\n",
        "4:text",
        "[image]",
        "\n\n[Response interrupted by user feedback]",
    ]
)
names = st.none() | texts
parts = st.one_of(texts.map(TextPart), texts.map(ImagePart), st.builds(FilePart, texts, texts))
call_ids = st.sampled_from(["call_1", "call_2", minted_id(1), minted_id(2)])
arguments = st.sampled_from(["", "{}", '{"a": 1, "b": 2}', '{"b":2,"a":1}', '{"a":1}', "{a", "1" * 5000, "[" * 3000])
calls = st.builds(ToolCall, call_ids, texts, arguments)
some_parts = st.lists(parts, max_size=3).map(tuple)
messages = st.one_of(
    st.builds(Message, st.just("user"), some_parts, names),
    st.builds(Message, st.just("assistant"), some_parts, names, st.lists(calls, max_size=2).map(tuple)),
    st.builds(Message, st.just("tool"), some_parts, names, st.just(()), call_ids),
)
