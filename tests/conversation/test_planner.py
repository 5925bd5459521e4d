"""Where a request goes, given what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation.keys import chain
from qwen_bridge.conversation.planner import (
    AVOIDED,
    NEW,
    UNKNOWN_HISTORY,
    ContinueChat,
    Plan,
    StartChat,
    candidates,
    explain,
    plan,
    start_over,
)
from qwen_bridge.messages import ChatRequest, Message, TextPart
from qwen_bridge.ports import Anchor
from tests.conversation.histories import assistant, messages, minted, minted_id, tool, user
from tests.conversation.ledger import HOME

SYSTEM = Message("system", (TextPart("Help."),))
HISTORY = (user("1"), assistant("2", minted(1)), tool(minted_id(1), "3"), assistant("4"), user("5"))
REQUEST = ChatRequest("m", (SYSTEM, *HISTORY))
KEYS = chain(HOME, REQUEST.dialogue)
SHALLOW, DEEP = KEYS[1], KEYS[3]


def anchor(chat: str, node: str = "n", instructions: str = "i") -> Anchor:
    return Anchor(chat, node, "m", "a", instructions, 2)


def planned(found: Mapping[str, Sequence[Anchor]], **limits: Sequence[str]) -> Plan:
    return plan(REQUEST, KEYS, found, "i", **limits)


def test_candidates_end_in_an_answer_or_its_question_and_leave_a_tail() -> None:
    """Other prefixes are not asked for, the deepest comes first, and never the whole history."""
    assert candidates(REQUEST, KEYS) == [DEEP, KEYS[2], SHALLOW, KEYS[0]]
    prefilled = replace(REQUEST, messages=HISTORY[:4])
    assert candidates(prefilled, KEYS[:4]) == [KEYS[2], SHALLOW, KEYS[0]]
    two_questions = replace(REQUEST, messages=(user("1"), user("2"), user("3")))
    assert candidates(two_questions, chain(HOME, two_questions.dialogue)) == []


def test_a_question_is_gone_on_from_with_its_answer_as_the_client_has_it() -> None:
    """The node of a question holds the history before the answer; the answer is part of the tail, and no edit."""
    decision = planned({KEYS[2]: [anchor("asked")], SHALLOW: [anchor("shallow")]})
    assert decision == ContinueChat(anchor("asked"), 3, HISTORY[3:], resend_instructions=False)
    assert isinstance(decision, ContinueChat)
    assert (decision.broken_off, decision.rewritten) == (True, False)
    first = planned({KEYS[0]: [anchor("asked")]})
    assert isinstance(first, ContinueChat)
    assert (first.broken_off, first.rewritten) == (True, True)
    assert plan(REQUEST, KEYS, {KEYS[2]: [anchor("x")]}, "i", avoid={"x"}) == StartChat(HISTORY, AVOIDED)


def test_deepest_known_node_wins() -> None:
    """The longest known prefix is continued, and what follows it is the tail."""
    expected = ContinueChat(anchor("deep"), 4, HISTORY[4:], resend_instructions=False)
    assert planned({SHALLOW: [anchor("shallow")], DEEP: [anchor("deep")]}) == expected


def test_shallower_node_takes_a_longer_tail() -> None:
    """Where only an earlier answer is known, the tail brings the later ones along."""
    decision = planned({SHALLOW: [anchor("shallow")]})
    assert decision == ContinueChat(anchor("shallow"), 2, HISTORY[2:], resend_instructions=False)
    assert isinstance(decision, ContinueChat)
    assert decision.rewritten


def test_other_instructions_are_told() -> None:
    """A chat that last saw other instructions is continued, and told the present ones."""
    expected = ContinueChat(anchor("a", instructions="old"), 4, HISTORY[4:], resend_instructions=True)
    assert planned({DEEP: [anchor("a", instructions="old")]}) == expected


@pytest.mark.parametrize(
    ("anchors", "busy", "avoid", "chosen"),
    [
        ([anchor("a"), anchor("b")], (), (), "a"),
        ([anchor("a"), anchor("b")], ("a",), (), "b"),
        ([anchor("a"), anchor("b")], ("a", "b"), (), "a"),
        ([anchor("a"), anchor("b")], ("b",), ("a",), "b"),
        ([anchor("a", instructions="old"), anchor("b")], (), (), "b"),
        ([anchor("a", instructions="old"), anchor("b")], ("b",), (), "a"),
    ],
)
def test_choice_among_chats_with_the_same_history(
    anchors: list[Anchor], busy: Sequence[str], avoid: Sequence[str], chosen: str
) -> None:
    """An idle chat comes first, then one that saw these instructions, then the order of preference given."""
    decision = planned({DEEP: anchors}, busy=busy, avoid=avoid)
    assert isinstance(decision, ContinueChat)
    assert decision.anchor.chat_id == chosen


def test_avoided_chat_leaves_a_shallower_node_elsewhere() -> None:
    """When the deepest node may not be used, an earlier one in another chat still saves the way to it."""
    decision = planned({DEEP: [anchor("deep")], SHALLOW: [anchor("other")]}, avoid=["deep"])
    assert decision == ContinueChat(anchor("other"), 2, HISTORY[2:], resend_instructions=False)


@pytest.mark.parametrize(
    ("history", "found", "reason"),
    [
        ([user("a")], {}, NEW),
        ([user("a"), user("b")], {}, NEW),
        (HISTORY, {}, UNKNOWN_HISTORY),
        (HISTORY, {DEEP: []}, UNKNOWN_HISTORY),
        ([user("a"), assistant("b")], {}, UNKNOWN_HISTORY),
        (HISTORY, {DEEP: [anchor("x")], SHALLOW: [anchor("x")]}, AVOIDED),
        (HISTORY, {SHALLOW: [anchor("x")]}, "edited@2"),
    ],
)
def test_reason_for_a_new_chat(history: Sequence[Message], found: Mapping[str, list[Anchor]], reason: str) -> None:
    """A new chat gets the whole dialogue without system messages, and says why."""
    request = ChatRequest("m", (SYSTEM, *history))
    decision = plan(request, chain(HOME, request.dialogue), found, "i", avoid={"x"})
    assert decision == StartChat(tuple(history), reason)


@given(st.lists(messages, min_size=1, max_size=6), st.data())
def test_nothing_is_left_out_and_nothing_said_twice(history: list[Message], data: st.DataObject) -> None:
    """What the chosen node holds and what is sent are together the dialogue, whatever is known."""
    request = ChatRequest("m", (SYSTEM, *history))
    keys = chain(HOME, request.dialogue)
    known = data.draw(st.sets(st.sampled_from(keys)))
    asked = candidates(request, keys)
    decision = plan(request, keys, {key: [anchor(key)] for key in known}, "i")
    match decision:
        case StartChat(sent):
            assert (list(sent), known.intersection(asked)) == (history, set())
        case ContinueChat(node, depth, tail):
            assert history[:depth] + list(tail) == history
            assert node.chat_id == next(key for key in asked if key in known)
            assert tail


def test_starting_over_sends_the_original_dialogue() -> None:
    """After a refused node everything is sent again, not the tail."""
    assert start_over(REQUEST, "parent_refused") == StartChat(HISTORY, "parent_refused")


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (ContinueChat(anchor("a"), 4, HISTORY[4:], False), "hit depth=4/5"),
        (ContinueChat(anchor("a"), 2, HISTORY[2:], False), "hit depth=2/5 edited@2"),
        (ContinueChat(anchor("a"), 3, HISTORY[3:], False), "hit depth=3/5 broken_off"),
        (ContinueChat(anchor("a"), 1, HISTORY[1:], False), "hit depth=1/5 edited@1"),
        (StartChat(HISTORY, NEW), "new"),
        (StartChat(HISTORY, "edited@3"), "miss reason=edited@3"),
        (StartChat(HISTORY, "parent_refused"), "reset reason=parent_refused"),
    ],
)
def test_explain(decision: Plan, words: str) -> None:
    """A plan is told in the words that header, log and metrics share."""
    assert explain(decision) == words


def test_keys_of_another_request_are_refused() -> None:
    """Keys that cannot belong to the dialogue are a bug of the caller, and are said to be one."""
    with pytest.raises(ValueError, match="4 keys for 5 messages"):
        plan(REQUEST, KEYS[:4], {}, "i")
