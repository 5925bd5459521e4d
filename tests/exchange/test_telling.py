from __future__ import annotations

import json

from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from qwen_bridge.exchange.telling import Telling
from qwen_bridge.exchange.tooling import Through, Tooling
from qwen_bridge.messages import ToolSpec
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from qwen_bridge.surfaces.surface import AnswerHead
from tests.exchange.driving import asking, user
from tests.harness.ports import CountedIds

STARTED = ResponseStarted("chat", "user", "answer")
REQUEST = asking(user("hi"), stream=False, tools=(ToolSpec("put", "", {}),))


def telling(*events: StreamEvent, tools: bool = False) -> Telling:
    """An answer with these events; the last may be its end."""
    stage = Tooling(REQUEST, "qwen3-max", "auto", CountedIds()).stage() if tools else Through()
    made = Telling(stage, ChatCompletions().encoder(AnswerHead("1", 7, "m"), REQUEST))
    for event in [out for one in events for out in stage.feed(one)]:
        if isinstance(event, ResponseEnded):
            made.end(event)
        else:
            made.take(event)
    return made


def test_reasoning_is_no_beginning() -> None:
    """A word of text is, and so the answer can be exchanged for another as long as there is none."""
    assert not telling(STARTED, ReasoningDelta("hm")).begun
    assert telling(STARTED, TextDelta("a")).begun


def test_it_is_unfinished_until_its_end() -> None:
    """Qwen may still be writing it, and it has no place of its own yet."""
    running, over = telling(STARTED, TextDelta("a")), telling(STARTED, TextDelta("a"), ResponseEnded("stop"))
    assert (running.unfinished, running.place, running.reason) == (STARTED, None, None)
    assert (over.unfinished, over.place, over.reason) == (None, STARTED, "stop")


def test_an_answer_with_a_call_that_was_not_run_has_no_place() -> None:
    """What the client was told is not what Qwen holds."""
    cut = telling(STARTED, TextDelta('<tool_call>\n{"name": "put", "argu'), ResponseEnded("stop"), tools=True)
    assert (cut.place, cut.reason) == (None, "length")
    assert cut.report is not None
    assert cut.message().text == "(The call to put was cut off and was not run.)"


def test_tokens_are_estimated_where_qwen_did_not_count() -> None:
    """A count of Qwen's stands; none at all would keep clients from condensing."""
    counted = UsageReported(Usage(3, 4))
    for events, usage in (((), (101, 2)), ((counted,), (3, 4))):
        made = telling(STARTED, TextDelta("four"), *events, ResponseEnded("stop"))
        told = json.loads(made.last(400))["usage"]
        assert (told["prompt_tokens"], told["completion_tokens"]) == usage
