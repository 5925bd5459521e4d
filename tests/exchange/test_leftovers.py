"""What an attempt or an answer leaves behind, and where its client's next turn may go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwen_bridge.conversation.keys import chain
from qwen_bridge.errors import AnswerCutOff, BridgeError, ChatBusy, ChatGone, ParentRefused, QwenRefused
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Effect, Forget, Stop
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.leftovers import forget, stop
from qwen_bridge.messages import Message, TextPart
from qwen_bridge.ports import Anchor
from tests.exchange.driving import (
    EVENT_STREAM,
    HISTORY,
    MANNER,
    PARENT_REFUSED,
    SCOPE,
    Answer,
    Driver,
    asking,
    assistant,
    continuing,
    refused,
    user,
)
from tests.exchange.test_repetition import READ, WRITTEN_XML, XML, says
from tests.qwen import frames

STARTED = ResponseStarted("c", "u", "a")
ANCHOR = Anchor("c", "a", "m", "account", "", 2)


@pytest.mark.parametrize(
    ("error", "started", "stopped"),
    [
        (ChatBusy(""), None, [Stop("c", "")]),
        (AnswerCutOff(""), STARTED, [Stop("c", "a")]),
        (AnswerCutOff(""), None, []),
        (QwenRefused(""), STARTED, []),
    ],
)
def test_what_may_still_be_written_is_stopped(
    error: BridgeError, started: ResponseStarted | None, stopped: list[Effect]
) -> None:
    """An answer that was opened and whose connection broke, and whatever holds a busy chat; not what Qwen refused."""
    assert stop(error, "c", started) == stopped


def test_only_a_dead_node_is_forgotten() -> None:
    """With its whole chat where that is gone."""
    assert forget(ParentRefused(""), ANCHOR) == [Forget(ANCHOR, whole_chat=False)]
    assert forget(ChatGone(""), ANCHOR) == [Forget(ANCHOR, whole_chat=True)]
    assert forget(QwenRefused(""), ANCHOR) == forget(ChatGone(""), None) == []


# -- a question without its answer

HALF = [frames.stream(frames.created()), frames.data(frames.delta("Hel"))]


def left(driver: Driver, *pieces: bytes, found: dict[str, list[Anchor]] | None = None) -> Driver:
    """Its client goes after these pieces of the answer."""
    driver.ask(found)
    driver.exchange.sent()
    driver.exchange.responded(200, EVENT_STREAM)
    for piece in pieces:
        driver.told.take(driver.exchange.feed(piece))
    driver.exchange.left()
    return driver


def test_who_leaves_in_an_answer_may_go_on_from_its_question() -> None:
    """The node of the question is remembered for the history up to it, below the node that it was put to."""
    driver = Driver(asking(*HISTORY))
    driver = left(driver, *HALF, found=continuing(driver))
    commit = driver.exchange.unanswered
    assert commit is not None
    assert commit.key == chain(SCOPE, driver.question.request.dialogue)[-1]
    assert (commit.anchor.chat_id, commit.anchor.parent_id) == ("old-chat", frames.USER)
    assert (commit.anchor.depth, commit.anchor.previous) == (3, "old-node")
    assert driver.told.commits == []
    after = Driver(asking(*HISTORY, assistant("Hel"), user("Go on.")))
    after.ask({commit.key: [commit.anchor]})
    assert (after.asked[0]["chat_id"], after.asked[0]["parent_id"]) == ("old-chat", frames.USER)
    words = after.asked[0]["messages"][0]["content"]
    assert "Hel" in words
    assert "Go on." in words
    assert "Two?" not in words


@pytest.mark.parametrize(
    ("pieces", "stream", "passing"),
    [((), True, False), (HALF[:1], True, False), (HALF, False, False), (HALF, True, True)],
    ids=["nothing", "no word", "not streamed", "a chat that is deleted"],
)
def test_who_has_seen_nothing_leaves_nothing(pieces: tuple[bytes, ...], stream: bool, passing: bool) -> None:
    """Its history will not hold the answer, or the chat has no future."""
    driver = Driver(asking(stream=stream))
    driver.question.passing = passing
    assert left(driver, *pieces).exchange.unanswered is None


def test_a_broken_stream_leaves_its_question_and_a_refused_one_does_not() -> None:
    """What Qwen refuses may be the question itself."""
    broken = Driver(asking())
    broken.play(Answer(HALF, ending="lost"))
    assert broken.exchange.unanswered is not None
    late = Driver(asking())
    rejected = {"error": {"code": "data_inspection_failed", "details": "no"}}
    late.play(Answer([*HALF, frames.data(rejected)]))
    assert late.exchange.unanswered is None
    done = Driver(asking())
    done.play(says("Hello."))
    assert done.exchange.unanswered is None, "the answer itself is remembered"


def test_a_site_that_goes_on_from_no_question_is_asked_for_it_no_more() -> None:
    """The refused node costs one request; then the whole history travels, and no question is remembered for a while."""
    habits = Habits()
    manner = replace(MANNER, habits=habits)
    commit = left(Driver(asking(user("Hi")), manner=manner), *HALF).exchange.unanswered
    assert commit is not None
    after = Driver(asking(user("Hi"), assistant("Hel"), user("On.")), manner=manner)
    told = after.play(PARENT_REFUSED, says("Well."), found={commit.key: [commit.anchor]})
    assert told.said[0] == "Well."
    assert [forgotten.anchor for forgotten in told.forgotten] == [commit.anchor]
    assert [asked["parent_id"] for asked in after.asked] == [frames.USER, None]
    assert "Hi" in after.asked[1]["messages"][0]["content"]
    assert left(Driver(asking(), manner=manner), *HALF).exchange.unanswered is None


def test_a_site_that_goes_on_from_a_question_is_trusted_with_the_next() -> None:
    """Any other refusal on the way says nothing about questions."""
    habits = Habits()
    manner = replace(MANNER, habits=habits)
    commit = left(Driver(asking(user("Hi")), manner=manner), *HALF).exchange.unanswered
    assert commit is not None
    for answer in (says("Well."), refused("Bad_Request", "The chat has been deleted.")):
        after = Driver(asking(user("Hi"), assistant("Hel"), user("On.")), manner=manner)
        rest = () if answer.headers is EVENT_STREAM else (says("Well."),)
        after.play(answer, *rest, found={commit.key: [commit.anchor]})
        assert habits.takes_questions()


def test_an_answer_with_two_tools_for_a_client_that_runs_one() -> None:
    """It may forget the second: both the answer and its question are places to go on from."""
    two = f"{WRITTEN_XML}\n\n{WRITTEN_XML.replace('<path>a', '<path>b')}"
    system = Message("system", (TextPart(XML),))
    for text, nodes in ((two, [frames.ANSWER, frames.USER]), (WRITTEN_XML, [frames.ANSWER])):
        told = Driver(asking(system, user("Write it."))).play(says(text))
        assert [commit.anchor.parent_id for commit in told.commits] == nodes
    native = Driver(asking(user("Read."), tools=(READ,)))
    call = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>\n'
    assert len(native.play(says(call * 2)).commits) == 1
