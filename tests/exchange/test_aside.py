from __future__ import annotations

import pytest

from qwen_bridge.exchange.aside import QUESTION_OPENINGS, SYSTEM_OPENINGS, is_aside
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolSpec
from tests.exchange.driving import assistant, user


def request(system: str, *dialogue: Message, tools: tuple[ToolSpec, ...] = ()) -> ChatRequest:
    return ChatRequest("gpt-4o", (Message("system", (TextPart(system),)), *dialogue), tools=tools)


@pytest.mark.parametrize("opening", SYSTEM_OPENINGS)
def test_known_side_requests_are_told_by_their_system_prompt(opening: str) -> None:
    """opencode asks with two user messages, aider with one."""
    assert is_aside(request(f"{opening}. More.", user("Generate a title:"), user("Hello")))
    assert is_aside(request(opening, user("Hello")))


@pytest.mark.parametrize("opening", QUESTION_OPENINGS)
def test_a_better_prompt_is_told_by_the_question(opening: str) -> None:
    """Roo sends its request as the user's own words, under its ordinary system prompt or none."""
    assert is_aside(ChatRequest("gpt-4o", (user(f"{opening} (reply with only it):\n\nfix it"),)))


def test_whatever_could_be_a_conversation_is_one() -> None:
    """Tools, an answer in the history, other words, the words further on, nothing at all."""
    opening = SYSTEM_OPENINGS[0]
    assert not is_aside(request(opening, user("a"), assistant("b"), user("c")))
    assert not is_aside(request(opening, user("a"), tools=(ToolSpec("f", "", {}),)))
    assert not is_aside(request("Be kind. " + opening, user("a")))
    assert not is_aside(request(opening))
    assert not is_aside(request("", user("What does `You are a title generator` mean?")))
