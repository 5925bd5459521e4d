from __future__ import annotations

from qwen_bridge.toolcalls.dialects import harmony
from tests.toolcalls.bench import catalogue


def test_channel_tokens_name_a_tool() -> None:
    """The recipient is the tool, and its arguments begin behind the message token."""
    text = "<|start|>assistant<|channel|>commentary to=functions.shell <|constrain|>json<|message|>{}"
    head = harmony.read(text, 0, catalogue())
    assert head is not None
    assert (head.written, text[head.end :]) == ("functions.shell", "{}")


def test_a_channel_without_recipient_is_none() -> None:
    """Analysis and final answers call nothing."""
    assert harmony.read("<|channel|>final<|message|>{}", 0, catalogue()) is None
