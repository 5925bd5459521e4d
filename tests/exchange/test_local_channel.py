"""Tools on the site's own channel: declared beside the message, called in frames, and in the text where that fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.local_channel import AFTER_RESULTS, SERVER, declaration, reminder
from qwen_bridge.exchange.repetition import Cause
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolCall, ToolChoice, ToolSpec
from tests.exchange.driving import MANNER, Answer, Driver, Told, asking, refused, user
from tests.exchange.test_repetition import PUT, READ, WHOLE, WRITE, calls, reason, says, words
from tests.qwen import frames


def local(request: ChatRequest | None = None, habits: Habits | None = None, **more: Any) -> Driver:
    manner = replace(MANNER, tool_channel="local_mcp", habits=habits or Habits())
    return Driver(request or asking(user("Write it."), tools=(WRITE, READ), **more), manner=manner)


def declared(asked: dict[str, Any]) -> Any:
    return asked["messages"][0]["feature_config"].get("local_mcp")


def called(name: str, params: dict[str, Any], *before: str) -> Answer:
    """An answer that ends with a call on the channel."""
    call = {"local_mcp": {SERVER: [{"tool_name": name, "params": params}]}}
    told = [frames.created(), *(frames.delta(text) for text in before)]
    return Answer(frames.stream(*told, frames.delta("", "local_tool", status="finished", extra=call)))


@pytest.mark.parametrize("stream", [True, False])
def test_tools_are_declared_beside_the_message_and_called_in_a_frame(stream: bool) -> None:
    """Not a word of them is in the text, and the call has an id that a client can echo."""
    one = local(stream=stream)
    told = one.play(called(*PUT, "I will."))
    assert words(one.asked[0]) == "Write it."
    assert set(declared(one.asked[0])[SERVER]) == {"write_file", "read_file"}
    assert declared(one.asked[0])[SERVER]["write_file"]["input_schema"] == WRITE.parameters
    assert (told.said[0], calls(told), reason(told)) == ("I will.", [PUT], "tool_calls")
    assert len(told.commits) == 1


def test_results_go_back_as_a_message_with_the_tools_declared_again() -> None:
    """Each below a line with its tool, and a word on how it goes on."""
    call = Message("assistant", tool_calls=(ToolCall("call_1", "read_file", '{"path":"a"}'),))
    result = Message("tool", (TextPart("text of a"),), tool_call_id="call_1")
    one = local(asking(user("Read a."), call, result, tools=(WRITE, READ)))
    one.ask()
    text = words(one.asked[0])
    assert 'result of the tool "read_file"' in text
    assert text.endswith(f"text of a\n\n{AFTER_RESULTS}")
    assert "<tool_response>" not in text
    assert declared(one.asked[0])


def test_a_tool_that_nobody_declared_is_not_called() -> None:
    """The site's own tools are its own business."""
    told = local().play(called("web_search", {"q": "x"}, "I looked."))
    assert (told.said[0], calls(told), reason(told)) == ("I looked.", [], "stop")


def test_a_site_that_refuses_is_asked_with_the_tools_in_the_text() -> None:
    """At once, without anybody's knowledge; and so is everybody after that for the same model."""
    habits = Habits()
    one = local(habits=habits)
    told = one.play(refused("Internal_Server_Error", "internal error"), says(WHOLE))
    assert [declared(asked) is None for asked in one.asked] == [False, True]
    assert "<tools>" in words(one.asked[1])
    assert (calls(told), told.waits) == ([PUT], [0.0])
    after = local(habits=habits)
    after.ask()
    assert declared(after.asked[0]) is None


def test_a_model_that_calls_in_its_text_is_taught_there_from_then_on() -> None:
    """Its call counts; it does not know the channel."""
    habits = Habits()
    assert calls(local(habits=habits).play(says(WHOLE))) == [PUT]
    assert not habits.takes_local_tools("qwen3-max")
    assert habits.takes_local_tools("qwen3-coder-plus")


def test_a_chat_that_was_told_nothing_in_the_text_is_told_when_the_channel_is_left() -> None:
    """And one that goes on with the channel hears nothing again."""
    habits = Habits()
    (commit,) = local(habits=habits).play(called(*PUT)).commits
    history = (user("Write it."), Message("assistant", (TextPart("Well."),)), user("On."))
    for left in (False, True):
        one = local(asking(*history, tools=(WRITE, READ)), habits)
        one.ask({one.question.lookups[0]: [commit.anchor]})
        assert (declared(one.asked[0]) is None, "<tools>" in words(one.asked[0])) == (left, left)
        habits.refused_local_tools("qwen3-max")


@pytest.mark.parametrize(("first", "cause"), [("No.", Cause.NO_CALL), ("Tool x does not exists.", Cause.INTERCEPTED)])
def test_what_is_asked_for_once_more_is_asked_for_in_the_text(first: str, cause: Cause) -> None:
    """A demanded call that did not come, and one that the site took for its own."""
    one = local(tool_choice=ToolChoice("required"))
    told: Told = one.play(says(first), says(WHOLE, response_id="answer-again"))
    assert one.exchange.repeated is cause
    assert "<tools>" in words(one.asked[1])
    assert calls(told) == [PUT]


def test_the_declaration_keeps_every_name() -> None:
    """Descriptions give way where there are too many; a tool without a schema gets an empty one."""
    many = [ToolSpec(f"tool_{n}", "words " * 200, {}) for n in range(100)]
    told = declaration(many)[SERVER]
    assert list(told) == [tool.name for tool in many]
    assert all(tool["input_schema"]["type"] == "object" for tool in told.values())
    assert sum(len(tool["description"]) for tool in told.values()) < 24_000


def test_what_holds_for_one_reply_is_said_in_it() -> None:
    """And no more."""
    assert reminder(ToolChoice(), parallel=True, results=False) == ""
    assert "You must call a tool" in reminder(ToolChoice("required"), parallel=True, results=False)
    assert "One call per reply" in reminder(ToolChoice(), parallel=False, results=True)
