from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from qwen_bridge.errors import ShuttingDown
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from qwen_bridge.exchange.answer_cache import KeptAnswer
from qwen_bridge.exchange.effects import Again, Begin, Data, Effect, End
from qwen_bridge.exchange.replay import LONGEST, STEP, Overheard, Replay, is_opening
from qwen_bridge.messages import ChatRequest, Message, ToolChoice, ToolSpec
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from qwen_bridge.surfaces.surface import AnswerHead
from tests.conformance.invariants import check_body, check_stream
from tests.exchange.driving import HISTORY, NO_QUOTA, TERMS, Answer, Driver, Told, asking, assistant, user
from tests.exchange.test_tooling import XML_PROMPT
from tests.qwen import frames

HELLO = frames.stream(
    frames.created(), frames.delta("Hel"), {**frames.delta("lo"), "usage": frames.usage(3, 5)}, frames.finished()
)
TOOLS = (ToolSpec("look", "Looks.", {"type": "object", "properties": {}}),)
CALL = '<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>'
XML_CALL = "<read_file>\n<path>p</path>\n</read_file>"


def overheard(request: ChatRequest, *answers: Answer, most: int = 100_000) -> tuple[Told, list[KeptAnswer]]:
    """What a client is told, and what was kept of it."""
    kept: list[KeptAnswer] = []
    driver = Driver(request)
    head = AnswerHead("chatcmpl-1", 7, "gpt-4o")
    driver.exchange = Overheard(kept.append, most, ChatCompletions(), head, driver.question, TERMS, "req_1")
    return driver.play(*answers), kept


def words(*texts: str) -> bytes:
    return frames.stream(frames.created(), *map(frames.delta, texts), frames.finished())


def replay(kept: KeptAnswer, **more: Any) -> Replay:
    question = Driver(asking(**more)).question
    return Replay(kept, ChatCompletions(), AnswerHead("chatcmpl-2", 8, "gpt-4o"), question, TERMS, "req_2")


def steps(exchange: Replay) -> list[Sequence[Effect]]:
    """All that it does when it is driven to the end."""
    done: list[Sequence[Effect]] = []
    while not exchange.over:
        assert len(done) < 1000, "it has no end"
        done.append(exchange.go_on())
    return done


def told(exchange: Replay) -> Told:
    said = Told()
    for effects in steps(exchange):
        said.take(effects)
    return said


# -- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_whole_answer_is_kept_as_it_was_told(stream: bool) -> None:
    """Its words, its tokens and its end are kept; where it lies at Qwen is not."""
    first, kept = overheard(asking(stream=stream), Answer(HELLO))
    assert first.commits
    (answer,) = kept
    assert [event for event in answer.events if not isinstance(event, UsageReported)] == [
        TextDelta("Hel"),
        TextDelta("lo"),
        ResponseEnded("stop"),
    ]
    assert UsageReported(Usage(3, 5)) in answer.events


def test_it_is_kept_before_its_last_bytes_leave() -> None:
    """A client that asks again at once finds it."""
    kept: list[KeptAnswer] = []
    driver = Driver(asking())
    parts = (ChatCompletions(), AnswerHead("chatcmpl-1", 7, "gpt-4o"), driver.question, TERMS, "req_1")
    driver.exchange = Overheard(kept.append, 100_000, *parts)
    driver.ask()
    for effects in driver._happenings(Answer(HELLO)):
        assert bool(kept) == any(isinstance(effect, End) for effect in effects)


def test_after_a_fault_before_the_first_word_only_the_answer_is_kept() -> None:
    """What an attempt that failed had thought is no part of it."""
    thinking = frames.stream(frames.created(), frames.delta("hm", "think"))
    _, kept = overheard(asking(stream=False), Answer(thinking, ending="lost"), Answer(HELLO))
    assert not any(isinstance(event, ReasoningDelta) for event in kept[0].events)


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        pytest.param(asking(), [Answer(words("Hel")[:-40], ending="lost")], id="cut"),
        pytest.param(asking(), [Answer(frames.stream(frames.created(), frames.delta("Hel")))], id="no end"),
        pytest.param(asking(), [Answer(frames.STREAMS["error frame"])], id="error"),
        pytest.param(asking(), [NO_QUOTA], id="refused"),
        pytest.param(asking(tools=TOOLS), [Answer(words(CALL))], id="call"),
        pytest.param(asking(tools=TOOLS), [Answer(words("So: ", CALL))], id="words and a call"),
        pytest.param(
            asking(tools=TOOLS, stream=False), [Answer(words("So: ", CALL[:-20]))] * 2, id="half a call, asked again"
        ),
        pytest.param(asking(tools=TOOLS), [Answer(words("So: ", CALL[:-20]))], id="half a call, withheld"),
        pytest.param(
            asking(tools=TOOLS, tool_choice=ToolChoice("required")), [Answer(words("No."))] * 2, id="no call came"
        ),
    ],
)
def test_what_is_no_whole_answer_in_words_is_not_kept(request_: ChatRequest, answers: list[Answer]) -> None:
    """Errors, pieces, calls and whatever was asked for again are for the client that asked, once."""
    try:
        _, kept = overheard(request_, *answers)
    except StopIteration:  # it would be asked once more; what matters is what was kept until then
        kept = []
    assert kept == []


def test_tools_that_were_not_called_do_not_matter() -> None:
    """An answer in words is one, whatever the model could have called."""
    _, kept = overheard(asking(tools=TOOLS), Answer(HELLO))
    assert kept


def test_calls_written_as_xml_in_the_text_are_calls() -> None:
    """A client that runs what stands in the text must not run it a second time."""
    described = Message("system", user(XML_PROMPT).parts)
    first, kept = overheard(asking(described, user("Read p.")), Answer(words(XML_CALL)))
    assert "<read_file>" in first.said[0]
    assert kept == []


def test_a_client_that_runs_xml_is_always_asked_for() -> None:
    """Its answers are calls, also those whose form nobody here knows."""
    described = Message("system", user(XML_PROMPT).parts)
    _, kept = overheard(asking(described, user("Read p.")), Answer(words("[read p]")))
    assert kept == []


def test_an_answer_that_the_site_spoiled_is_not_kept() -> None:
    """Words were shown, then the site took the call for its own: the client may ask for better."""
    pieces = [
        frames.stream(frames.created(), frames.delta("I look.\n")),
        frames.stream(frames.delta("Tool look does not exists."), frames.finished()),
    ]
    first, kept = overheard(asking(tools=TOOLS), Answer(pieces))
    assert first.said[0] == "I look.\n"
    assert kept == []


def test_an_answer_that_its_length_ended_is_not_kept() -> None:
    """A new attempt may get further."""
    kept: list[KeptAnswer] = []
    driver = Driver(asking())
    parts = (ChatCompletions(), AnswerHead("chatcmpl-1", 7, "gpt-4o"), driver.question, TERMS, "req_1")
    exchange = Overheard(kept.append, 100_000, *parts)
    driver.ask()
    assert exchange._take([ResponseStarted("c", "u", "r"), TextDelta("Hel"), ResponseEnded("length")])
    assert exchange.over
    assert kept == []


def test_the_chat_of_a_side_request_has_no_future() -> None:
    """Nothing is kept of an answer from which nobody could go on."""
    kept: list[KeptAnswer] = []
    driver = Driver(asking())
    driver.question.passing = True
    parts = (ChatCompletions(), AnswerHead("chatcmpl-1", 7, "gpt-4o"), driver.question, TERMS, "req_1")
    driver.exchange = Overheard(kept.append, 100_000, *parts)
    assert driver.play(Answer(HELLO)).over
    assert kept == []


def test_what_is_too_large_is_told_and_let_go() -> None:
    """The client gets all of it, and the memory none."""
    first, kept = overheard(asking(), Answer(words(*["x" * 100] * 50)), most=3000)
    assert first.said[0] == "x" * 5000
    assert kept == []


@pytest.mark.parametrize(
    ("messages", "opening"),
    [
        ((user("Hi"),), True),
        ((Message("system", user("Be kind.").parts), user("Hi"), user("there")), True),
        ((user("Hi"), assistant("Hello."), user("And?")), False),
        (HISTORY, False),
        ((user("Hi"), Message("tool", user("4").parts, tool_call_id="c")), False),
        ((Message("system", user("Be kind.").parts),), False),
    ],
)
def test_only_what_begins_a_conversation_is_an_opening(messages: tuple[Message, ...], opening: bool) -> None:
    """An answer or a result in the history means that it continues."""
    assert is_opening(asking(*messages)) is opening


# -- telling it again -------------------------------------------------------------------------------------------------


LONG: tuple[StreamEvent, ...] = (
    *(TextDelta(f"{number} ") for number in range(1000)),
    UsageReported(Usage(7, 9)),
    ResponseEnded("stop"),
)


@pytest.mark.parametrize("usage", [True, False], ids=["usage", "no usage"])
@pytest.mark.parametrize("kept_from_stream", [True, False], ids=["from a stream", "from a whole"])
def test_it_is_told_as_the_new_request_wants_it(kept_from_stream: bool, usage: bool) -> None:
    """Streamed or whole, with tokens or without, whatever the first was; id and time are its own."""
    first, kept = overheard(asking(stream=kept_from_stream), Answer(HELLO))
    streamed = told(replay(kept[0], include_usage=usage))
    assert streamed.said == first.said
    assert not check_stream(streamed.body, include_usage=usage)
    assert {(chunk["id"], chunk["created"]) for chunk in streamed.chunks} == {("chatcmpl-2", 8)}
    assert not usage or streamed.chunks[-1]["usage"]["total_tokens"] == 8
    whole = told(replay(kept[0], stream=False))
    assert whole.said == first.said
    assert not check_body(whole.json)
    assert whole.json["usage"]["total_tokens"] == 8


def test_tokens_that_were_estimated_are_those_of_the_first_answer() -> None:
    """No second estimate is made from a question that was never sent."""
    first, kept = overheard(asking(include_usage=True), Answer(words("Hello")))
    assert told(replay(kept[0], include_usage=True)).chunks[-1]["usage"] == first.chunks[-1]["usage"]


def test_nothing_is_remembered_of_a_replay() -> None:
    """The node of the first answer is the node of both."""
    _, kept = overheard(asking(), Answer(HELLO))
    assert not told(replay(kept[0])).commits
    assert replay(kept[0]).unheard is None


def test_a_short_answer_comes_piece_by_piece() -> None:
    """Each piece leaves in a step of its own, a moment after the one before."""
    done = steps(replay(KeptAnswer((TextDelta("Hel"), TextDelta("lo"), ResponseEnded("stop")))))
    assert [[type(effect) for effect in effects] for effects in done] == [
        [Begin, Data, Again],
        [Data, Again],
        [Data, End],
    ]
    assert {effect.delay for effects in done for effect in effects if isinstance(effect, Again)} == {STEP}


def test_a_long_answer_takes_larger_steps() -> None:
    """However long it is, the steps take no longer than `LONGEST` together, and it is not told at once."""
    done = steps(replay(KeptAnswer(LONG)))
    assert 0.5 * LONGEST < (len(done) - 1) * STEP <= LONGEST
    assert told(replay(KeptAnswer(LONG))).said[0] == "".join(f"{number} " for number in range(1000))


def test_a_whole_answer_is_told_at_once() -> None:
    """Who waits for all of it has no use for a pace."""
    assert len(steps(replay(KeptAnswer(LONG), stream=False))) == 1


def test_its_silence_is_not_qwens() -> None:
    """A short patience with Qwen is none with a replay, however late its driver comes."""
    exchange = replay(KeptAnswer(LONG))
    for late in range(8):
        exchange.go_on()
        assert not [effect for effect in exchange.tick(100.0 * late) if isinstance(effect, Data | End | Again)]


def test_it_can_be_ended_in_the_middle() -> None:
    """An error event ends it as any other stream, and a client that left is told nothing more."""
    exchange, said = replay(KeptAnswer(LONG)), Told()
    said.take(exchange.go_on())
    said.take(exchange.refuse(ShuttingDown("The bridge ends.", retry_after=1)))
    assert said.error["code"] == ShuttingDown.code
    assert exchange.go_on() == ()
    gone = replay(KeptAnswer(LONG))
    gone.go_on()
    gone.left()
    assert gone.go_on() == ()
    assert gone.outcome == "left"


def test_a_demand_for_a_call_is_not_made_of_a_replay() -> None:
    """It was judged when it first came: a replay asks nobody again."""
    exchange = replay(KeptAnswer(LONG), tools=TOOLS, tool_choice=ToolChoice("required"), stream=False)
    assert told(exchange).over
    assert exchange.repeated is None


def test_it_says_where_it_comes_from() -> None:
    """`cache` tells replay, overheard answer and any other apart, and the conversation begins."""
    assert replay(KeptAnswer(LONG)).cache == "hit"
    assert replay(KeptAnswer(LONG)).question.route == "new"
    assert Driver(asking()).exchange.cache == ""
