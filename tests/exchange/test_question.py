from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

import pytest

from qwen_bridge.conversation.canonical import instructions_digest, system_half
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import chain, extend
from qwen_bridge.errors import ContextTooLong, InternalError, UnsupportedParameter
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.question import Manner, Question
from qwen_bridge.messages import ChatRequest, ImagePart, Message, TextPart
from qwen_bridge.ports import Anchor
from tests.exchange.driving import CREDENTIALS, HISTORY, MANNER, ORIGIN, SCOPE, asking, assistant, user
from tests.harness.ports import CountedIds, FixedClock

STARTED = ResponseStarted("c", "the-question", "the-answer")


def question(request: ChatRequest, manner: Manner = MANNER) -> Question:
    return Question(request, SCOPE, manner, InstructionsBook(), FixedClock(1_800_000_000.9), CountedIds())


def body(asked: Question) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(asked.ask(CREDENTIALS).body)
    return decoded


def content(asked: Question) -> str:
    text: str = body(asked)["messages"][0]["content"]
    return text


def started(request: ChatRequest, manner: Manner = MANNER) -> Question:
    """A question that goes to a new chat."""
    asked = question(request, manner)
    asked.decide({})
    asked.opened("chat-1")
    return asked


def continued(request: ChatRequest) -> Question:
    """A question whose history up to the last answer is known."""
    asked = question(request)
    seen = instructions_digest(request)
    asked.decide({asked.lookups[0]: [Anchor("chat-0", "node-0", SCOPE.model, SCOPE.account, seen, 2)]})
    return asked


def test_a_first_question_opens_a_chat_and_sends_its_words() -> None:
    """One user message without instructions is sent as its own text, to a new chat, without a parent."""
    asked = question(asking(user("How are you?")))
    assert asked.lookups == []
    asked.decide({})
    assert asked.needs_chat
    asked.opened("chat-1")
    assert not asked.needs_chat
    assert (content(asked), body(asked)["parent_id"], asked.route) == ("How are you?", None, "new")


def test_the_call_is_the_web_clients() -> None:
    """Method, path with the chat, the session's headers, time in whole seconds, one message."""
    ask = started(asking()).ask(CREDENTIALS)
    sent = json.loads(ask.body)
    assert (ask.method, ask.path) == ("POST", "/api/v2/chat/completions?chat_id=chat-1")
    assert {"cookie": "token=token", "referer": f"{ORIGIN}/c/chat-1"}.items() <= dict(ask.headers).items()
    assert (sent["model"], sent["timestamp"], len(sent["messages"])) == ("qwen3-max", 1_800_000_000, 1)


def test_a_known_history_is_continued_with_what_is_new() -> None:
    """Only the tail is sent, to the known chat, below the known node."""
    asked = continued(asking(*HISTORY))
    assert not asked.needs_chat
    assert asked.anchor is not None
    sent = body(asked)
    assert (sent["chat_id"], sent["parent_id"]) == ("chat-0", "node-0")
    assert sent["messages"][0]["content"] == "Two?"
    assert asked.route.startswith("hit depth=2/3")


def test_an_unknown_history_is_told_whole() -> None:
    """Instructions and all turns go into the first message of the new chat."""
    told = content(started(asking(*HISTORY)))
    assert all(words in told for words in ("Be kind.", "One?", "One.", "Two?"))
    assert started(asking(*HISTORY)).route == "miss reason=unknown_history"


def test_after_a_restart_the_whole_history_goes_to_a_new_chat() -> None:
    """What is sent is built from the original request, never from the tail that failed."""
    asked = continued(asking(*HISTORY))
    content(asked)
    asked.restart("parent_refused")
    assert asked.needs_chat
    assert asked.anchor is None
    asked.opened("chat-2")
    assert content(asked) == content(started(asking(*HISTORY)))
    assert body(asked)["parent_id"] is None
    assert asked.route == "reset reason=parent_refused"


def test_a_retry_says_the_same_under_new_ids() -> None:
    """Two calls for one attempt differ in nothing but the ids that the client mints."""
    asked = started(asking(*HISTORY))
    first, second = body(asked), body(asked)
    for sent in (first, second):
        for name in ("fid", "childrenIds"):
            sent["messages"][0].pop(name)
    assert first == second
    assert asked.ask(CREDENTIALS).headers != asked.ask(CREDENTIALS).headers


@pytest.mark.parametrize(
    ("setting", "said", "thinks"),
    [
        ("auto", None, False),
        ("auto", True, True),
        ("auto", False, False),
        ("on", False, True),
        ("on", None, True),
        ("off", True, False),
    ],
)
def test_thinking_is_the_settings_word_or_else_the_clients(
    setting: Literal["auto", "on", "off"], said: bool | None, thinks: bool
) -> None:
    """`auto` follows the client, and means no where it says nothing."""
    asked = started(asking(thinking=said), replace(MANNER, thinking=setting))
    assert body(asked)["messages"][0]["feature_config"]["thinking_enabled"] is thinks


def test_a_body_at_the_limit_is_sent_and_one_byte_more_is_not() -> None:
    """The limit is Qwen's firewall's, counted in bytes of the body; the error names the room for words."""
    size = len(started(asking()).ask(CREDENTIALS).body)
    fits = started(asking(), replace(MANNER, message_limit=size))
    assert len(fits.ask(CREDENTIALS).body) == size == fits.request_bytes
    words = len("How are you?")
    with pytest.raises(ContextTooLong, match=f"{words} bytes.*about {words - 1}") as raised:
        started(asking(), replace(MANNER, message_limit=size - 1)).ask(CREDENTIALS)
    assert raised.value.param == "messages"


@pytest.mark.parametrize(
    ("request_", "limit"), [(asking(Message("user", (ImagePart("https://x"),))), 10**6), (asking(user("x" * 99)), 300)]
)
def test_what_cannot_be_asked_is_known_before_a_chat_is_opened(request_: ChatRequest, limit: int) -> None:
    """A refused request leaves no empty chat in the user's side bar."""
    asked = question(request_, replace(MANNER, message_limit=limit))
    asked.decide({})
    assert asked.needs_chat
    with pytest.raises((UnsupportedParameter, ContextTooLong)):
        asked.check()


def test_the_check_counts_what_will_be_sent() -> None:
    """It refuses exactly what `ask` refuses, for a chat with an id like Qwen's."""
    asked = question(asking())
    asked.decide({})
    asked.opened("3f1c6ad0-93e0-4c28-a8d5-000000000001")
    size = len(asked.ask(CREDENTIALS).body)
    for limit, refuses in ((size, False), (size - 1, True)):
        other = question(asking(), replace(MANNER, message_limit=limit))
        other.decide({})
        if refuses:
            with pytest.raises(ContextTooLong):
                other.check()
        else:
            other.check()


def test_asking_without_a_chat_or_a_plan_is_a_bug_that_sends_nothing() -> None:
    """The order decide, opened, ask is the caller's to keep; breaking it is an error of the bridge."""
    asked = question(asking())
    with pytest.raises(InternalError):
        asked.check()
    asked.decide({})
    with pytest.raises(InternalError):
        asked.ask(CREDENTIALS)


@pytest.mark.parametrize(("parent_from", "node"), [("response_id", "the-answer"), ("parent_id", "the-question")])
def test_the_anchor_is_the_node_that_the_setting_names(
    parent_from: Literal["response_id", "parent_id"], node: str
) -> None:
    """The history with the answer lies at the answer's node, or at the question's for the early notes."""
    commit = started(asking(*HISTORY), replace(MANNER, parent_from=parent_from)).commit(STARTED, assistant("Two."))
    assert commit is not None
    dialogue = [message for message in HISTORY if message.role != "system"]
    assert commit.key == extend(chain(SCOPE, dialogue)[-1], assistant("Two."))
    digest = instructions_digest(asking(*HISTORY))
    assert commit.anchor == Anchor("chat-1", node, "qwen3-max", "account", digest, 4)


def test_a_node_without_an_id_is_no_anchor() -> None:
    """Where Qwen did not name the node, the next turn tells its history again instead of following nothing."""
    asked = started(asking(), replace(MANNER, parent_from="parent_id"))
    assert asked.commit(ResponseStarted("c", "", "the-answer"), assistant("Yes.")) is None


def test_instructions_alone_have_no_anchor() -> None:
    """A request with nothing but a system message is answered and not remembered."""
    asked = started(asking(Message("system", (TextPart("Say hello."),))))
    assert "Say hello." in content(asked)
    assert asked.commit(STARTED, assistant("Hello")) is None
    assert asked.lookups == []


def test_the_route_of_a_question_without_a_plan_is_undecided() -> None:
    """A refusal before the decision says so in its header."""
    assert question(asking()).route == "undecided"


def test_the_instructions_of_a_request_are_remembered() -> None:
    """A later request can tell a chat what changed in them."""
    seen, request = InstructionsBook(), asking(*HISTORY)
    Question(request, SCOPE, MANNER, seen, FixedClock(), CountedIds())
    assert seen.get(system_half(instructions_digest(request))) == "Be kind."


# -- what is too long for a message ---------------------------------------------------------------------------------

LONG = (user("One? " * 20_000), assistant("One."), user("Two?"))
"""A history of 100 KB."""

BY_FILE = replace(MANNER, uploads=True)
ELEMENT = {"type": "file", "id": "file-1"}


def test_what_is_too_long_for_a_message_is_uploaded_first() -> None:
    """The document holds what the message has no room for; asking without it is a bug that sends nothing."""
    asked = started(asking(*LONG), BY_FILE)
    document = asked.document
    assert document is not None
    assert "One? " * 20_000 in document.text
    with pytest.raises(InternalError):
        asked.ask(CREDENTIALS)
    asked.attach(ELEMENT)
    assert asked.document is None
    sent = body(asked)
    assert sent["messages"][0]["files"] == [ELEMENT]
    assert document.filename in sent["messages"][0]["content"]
    assert len(json.dumps(sent)) < BY_FILE.inline_limit
    assert asked.request_bytes > 100_000
    assert asked.route == f"miss reason=unknown_history file={len(document.text)}"


def test_a_file_is_not_used_when_its_address_may_have_expired() -> None:
    """A retry soon after uses the same upload, a late one uploads again."""
    clock = FixedClock()
    asked = Question(asking(*LONG), SCOPE, BY_FILE, InstructionsBook(), clock, CountedIds())
    asked.decide({})
    asked.opened("chat-1")
    asked.attach(ELEMENT)
    clock.time += 200
    assert asked.document is None
    clock.time += 100
    assert asked.document is not None


def test_another_way_needs_another_document() -> None:
    """What was uploaded for the tail is not what a new chat must hear."""
    asked = question(asking(*LONG[:2], user("Two? " * 20_000)), BY_FILE)
    asked.decide({asked.lookups[0]: [Anchor("chat-0", "node-0", "m", "a", "digest", 2)]})
    tail = asked.document
    assert tail is not None
    asked.attach(ELEMENT)
    asked.restart("parent_refused")
    whole = asked.document
    assert whole is not None
    assert "One?" in whole.text
    assert "One?" not in tail.text


def test_where_no_file_can_be_a_message_goes_whole_if_the_firewall_bears_it() -> None:
    """Between the two limits nothing is lost without uploads; above them the reason and the sizes are told."""
    between = started(asking(*LONG), BY_FILE)
    assert between.document is not None
    between.stay_whole("The store is closed.")
    assert between.document is None
    assert body(between)["messages"][0]["files"] == []
    above = started(asking(*LONG, assistant("Two."), user("Three? " * 20_000)), BY_FILE)
    with pytest.raises(ContextTooLong, match=r"needs 240,\d{3} bytes.*about 11\d,\d{3} bytes.*The store is closed\."):
        above.stay_whole("The store is closed.")


def test_a_broken_upload_is_tried_again_once() -> None:
    """The second loss is final."""
    asked = started(asking(*LONG), BY_FILE)
    assert [asked.lost_an_upload(), asked.lost_an_upload()] == [True, False]


def test_the_route_tells_what_the_chat_holds_already() -> None:
    """The bytes that were not sent again stand behind the way; a new chat holds none."""
    asked = continued(asking(*HISTORY))
    asked.ask(CREDENTIALS)
    assert asked.route == f"hit depth=2/3 saved={len('Be kind.One?One.')}"
    asked.restart("parent_refused")
    asked.opened("chat-2")
    asked.ask(CREDENTIALS)
    assert asked.route == "reset reason=parent_refused"
