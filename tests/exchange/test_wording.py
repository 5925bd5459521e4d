from __future__ import annotations

import pytest

from qwen_bridge.conversation.canonical import instructions_digest, system_half
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.planner import ContinueChat, StartChat
from qwen_bridge.conversation.split import Limits
from qwen_bridge.errors import ContextTooLong, InternalError, UnsupportedParameter
from qwen_bridge.exchange.tooling import Tooling
from qwen_bridge.exchange.wording import SystemChanges, Wording
from qwen_bridge.messages import ChatRequest, FilePart, ImagePart, Message, TextPart, ToolCall, ToolSpec
from qwen_bridge.ports import Anchor
from tests.exchange.driving import HISTORY, SCOPE, asking, assistant, user
from tests.harness.ports import CountedIds

ROOM = Limits(90_000, 0)
TOOL = ToolSpec("read_file", "Reads a file.", {"type": "object", "properties": {"path": {"type": "string"}}})


def wording(request: ChatRequest, how: SystemChanges = "diff", seen: InstructionsBook | None = None) -> Wording:
    tooling = Tooling(request, SCOPE.model, "auto", CountedIds())
    return Wording(request, tooling, instructions_digest(request), seen or InstructionsBook(), how)


def going_on(request: ChatRequest, known: int, saw: ChatRequest | None = None) -> ContinueChat:
    """The plan where a chat holds the first `known` messages and last saw the instructions of `saw`."""
    digest = instructions_digest(saw or request)
    anchor = Anchor("chat", "node", SCOPE.model, SCOPE.account, digest, known)
    return ContinueChat(anchor, known, request.dialogue[known:], digest != instructions_digest(request))


def told(request: ChatRequest, known: int = 2, saw: ChatRequest | None = None) -> str:
    return wording(request).divided(going_on(request, known, saw), ROOM)[0].text


def test_a_chat_that_goes_on_hears_what_it_does_not_know() -> None:
    """One new question under instructions it has seen is its own text and nothing else."""
    assert told(asking(*HISTORY)) == "Two?"


def test_a_new_chat_hears_everything() -> None:
    """Instructions and all turns; and nothing counts as known."""
    request = asking(*HISTORY)
    split, known = wording(request).divided(StartChat(request.dialogue, "new"), ROOM)
    assert all(words in split.text for words in ("Be kind.", "One?", "One.", "Two?"))
    assert known == 0


def test_without_a_plan_there_are_no_words() -> None:
    """Asking before deciding is an error of the bridge, told as one."""
    with pytest.raises(InternalError):
        wording(asking()).divided(None, ROOM)


def test_new_instructions_are_said_again() -> None:
    """A chat that saw other instructions is told the present ones with the tail."""
    text = told(asking(*HISTORY), saw=asking(*HISTORY[1:]))
    assert "Be kind." in text
    assert "One?" not in text
    assert text.endswith("Two?")


def test_new_tools_are_said_again_and_known_ones_are_not() -> None:
    """Tools that came with this request are taught with the tail; the next turn only reminds of the form."""
    armed, bare = asking(*HISTORY, tools=(TOOL,)), asking(*HISTORY)
    assert "Reads a file." in told(armed, saw=bare)
    assert "Be kind." not in told(armed, saw=bare)
    assert "Reads a file." not in told(armed, saw=armed)


def test_a_result_names_the_tool_that_an_earlier_turn_called() -> None:
    """The call stands in the known part, the result in the tail: the model is told which tool it was."""
    history = (
        user("Read it."),
        Message("assistant", tool_calls=(ToolCall("call_1", "read_file", "{}"), ToolCall("call_2", "list", "{}"))),
        Message("tool", (TextPart("text"),), tool_call_id="call_1"),
        Message("tool", (TextPart("files"),), tool_call_id="call_2"),
    )
    text = told(asking(*history))
    assert 'result of the tool "read_file", call 1 of 2' in text
    assert 'result of the tool "list", call 2 of 2' in text


def test_too_little_room_is_told_and_nothing_is_left_out() -> None:
    """Words that have no room raise instead of being shortened."""
    with pytest.raises(ContextTooLong):
        wording(asking(*HISTORY)).divided(going_on(asking(*HISTORY), 2), Limits(3, 0))


@pytest.mark.parametrize("part", [ImagePart("https://x/y.png"), FilePart("a.pdf", "data:")])
def test_a_picture_or_a_file_is_refused_and_not_lost(part: ImagePart | FilePart) -> None:
    """What cannot be sent is not left out in silence; what a chat holds already is no matter."""
    shown = Message("user", (TextPart("Look:"), part))
    fresh = asking(shown)
    with pytest.raises(UnsupportedParameter):
        wording(fresh).divided(StartChat(fresh.dialogue, "new"), ROOM)
    with pytest.raises(UnsupportedParameter):
        told(asking(*HISTORY[:3], shown))
    assert told(asking(shown, assistant("Nice."), user("Two?"))) == "Two?"


PROMPT = "\n".join(f"Rule {number}: be good." for number in range(100))


def retold(new: str, how: SystemChanges, *, remembered: bool = True) -> str:
    """What a chat that saw `PROMPT` is sent when the client's prompt has become `new`."""
    before, after = (
        asking(Message("system", (TextPart(prompt),)), user("hello"), assistant("Hi."), user("and now?"))
        for prompt in (PROMPT, new)
    )
    seen = InstructionsBook()
    if remembered:
        seen.put(system_half(instructions_digest(before)), PROMPT)
    return wording(after, how, seen).divided(going_on(after, 2, before), ROOM)[0].text


def test_a_clock_in_the_system_prompt_costs_a_line() -> None:
    """A small change of the instructions is told by its lines, not by forty kilobytes."""
    sent = retold(f"{PROMPT}\nIt is 10:05.", "diff")
    assert "+ It is 10:05." in sent
    assert "Rule 50" not in sent
    assert "and now?" in sent


def test_unchanged_instructions_are_not_sent_again() -> None:
    """The question alone travels when nothing changed."""
    assert retold(PROMPT, "diff") == "and now?"


@pytest.mark.parametrize(("how", "remembered"), [("resend", True), ("diff", False)])
def test_the_whole_prompt_is_sent_where_changes_cannot_be_told(how: SystemChanges, remembered: bool) -> None:
    """By setting, or after a restart that forgot the former text, all of the new instructions travel."""
    sent = retold(f"{PROMPT}\nIt is 10:05.", how, remembered=remembered)
    assert "Rule 50" in sent
    assert "It is 10:05." in sent


def test_changes_can_be_ignored() -> None:
    """A user whose client only ever changes its clock may save even the line."""
    assert retold(f"{PROMPT}\nIt is 10:05.", "ignore") == "and now?"


def test_what_the_chat_holds_already_is_counted() -> None:
    """The text of the known messages and the instructions; told anew, these are not saved."""
    request = asking(*HISTORY)
    assert wording(request).divided(going_on(request, 2), ROOM)[1] == len("Be kind.One?One.")
    changed = going_on(request, 2, asking(*HISTORY[1:]))
    assert wording(request).divided(changed, ROOM)[1] == len("One?One.")
