"""When the bridge asks once more, in which words, where, and what the client gets in the end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from qwen_bridge.conversation.keys import chain
from qwen_bridge.events import ReasoningDelta, ResponseEnded, ResponseStarted, StreamEvent, TextDelta
from qwen_bridge.exchange.effects import Stop
from qwen_bridge.exchange.repetition import MOST_HELD, Cause, Patience, answers, cause_at_end, demands
from qwen_bridge.exchange.tooling import Through
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolCall, ToolChoice, ToolSpec
from qwen_bridge.toolcalls.policy import RELEASE, Decision, Reason, Verdict
from qwen_bridge.toolcalls.report import CallReport, Report
from tests.exchange.driving import (
    EMPTY,
    HISTORY,
    NO_QUOTA,
    PARENT_REFUSED,
    SCOPE,
    Answer,
    Driver,
    Told,
    asking,
    continuing,
    user,
)
from tests.qwen import frames

AUTO, REQUIRED = ToolChoice(), ToolChoice("required")
WRITE = ToolSpec(
    "write_file",
    "Write.",
    {
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["path", "content"],
    },
)
READ = ToolSpec("read_file", "Read.", {"type": "object", "properties": {"path": {"type": "string"}}})
WHOLE = '<tool_call>\n{"name": "write_file", "arguments": {"path": "a", "content": "x"}}\n</tool_call>'
CUT = WHOLE[:70]
MANGLED = WHOLE.replace('"path": "a", ', '"path" a" ')
SENTENCE = "(The call to write_file was cut off and was not run.)"
REFUSED = "Tool write_file does not exists."


def says(*texts: str, response_id: str = frames.ANSWER, thoughts: str = "") -> Answer:
    """A whole answer; each text is a piece that arrives alone."""
    told = [frames.created(response_id)]
    told += [frames.delta(thoughts, "think", response_id)] if thoughts else []
    told += [frames.delta(text, "answer", response_id) for text in texts]
    return Answer([frames.data(frame) for frame in [*told, frames.finished("answer", response_id)]])


def again(*texts: str, **more: Any) -> Answer:
    """The second answer, at a node of its own."""
    return says(*texts, response_id="answer-again", **more)


def driver(request: ChatRequest | None = None, **more: Any) -> Driver:
    return Driver(request or asking(user("Write it."), tools=(WRITE, READ), **more))


def words(asked: dict[str, Any]) -> str:
    return str(asked["messages"][0]["content"])


def calls(told: Told) -> list[tuple[str, Any]]:
    """Names and arguments that the client was given, streamed or whole."""
    if told.headers["content-type"] == "application/json":
        found = told.json["choices"][0]["message"].get("tool_calls", [])
        return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in found]
    pieces: dict[int, list[str]] = {}
    for chunk in told.chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", ()):
                one = pieces.setdefault(call["index"], ["", ""])
                one[0] += call["function"].get("name", "")
                one[1] += call["function"].get("arguments", "")
    return [(name, json.loads(arguments)) for name, arguments in pieces.values()]


def reason(told: Told) -> str:
    choices = told.json["choices"] if told.headers["content-type"] == "application/json" else None
    ended = choices or [choice for chunk in told.chunks for choice in chunk["choices"] if choice["finish_reason"]]
    return str(ended[-1]["finish_reason"])


PUT = ("write_file", {"path": "a", "content": "x"})


# -- a call that was not whole


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_call_is_asked_for_again(stream: bool) -> None:
    """Once, in the same chat, with a sentence of what to do; the client sees only the whole call."""
    one = driver(stream=stream)
    told = one.play(says(CUT), again(WHOLE))
    first, second = one.asked
    assert (first["chat_id"], first["parent_id"]) == (second["chat_id"], second["parent_id"])
    assert "smaller steps" not in words(first)
    assert "write_file that was cut off and was not run" in words(second)
    assert "smaller steps" in words(second)
    assert words(second).endswith(words(first)[words(first).index("(To use a tool") :])
    assert (calls(told), reason(told)) == ([PUT], "tool_calls")
    assert told.said[0] == ""
    assert one.exchange.repeated is Cause.NOT_WHOLE
    (commit,) = told.commits
    assert commit.anchor.parent_id == "answer-again"


def test_the_repetition_is_a_sibling_of_the_broken_answer() -> None:
    """It goes to the node that the question hangs on: the broken answer does not lie on the path."""
    one = driver(asking(*HISTORY, tools=(WRITE, READ)))
    told = one.play(says(CUT), again(WHOLE), found=continuing(one))
    assert [asked["parent_id"] for asked in one.asked] == ["old-node", "old-node"]
    assert told.commits[0].anchor.previous == "old-node"


def test_there_is_one_repetition_and_no_more() -> None:
    """A second broken call is told to the client in a sentence; the next turn goes on from the question."""
    one = driver()
    told = one.play(says(CUT), again(CUT))
    assert told.said[0] == SENTENCE
    assert (calls(told), reason(told)) == ([], "length")
    assert [(commit.anchor.parent_id, commit.anchor.depth) for commit in told.commits] == [(frames.USER, 1)]


def test_words_that_a_client_has_seen_are_not_said_again() -> None:
    """Text in front of the call has left: the call alone is asked for; the same text in one document has not."""
    one = driver(stream=False)
    told = one.play(says("I will write it.\n\n", CUT), again("Here:\n\n", WHOLE))
    assert (told.said[0].strip(), calls(told)) == ("Here:", [PUT])


def test_thoughts_do_not_forbid_it() -> None:
    """Reasoning is no word of the answer, and a stream goes on behind it."""
    told = driver(thinking=True).play(says(CUT, thoughts="Hm. "), again(WHOLE, thoughts="Smaller."))
    assert (told.said, calls(told)) == (("", "Hm. Smaller."), [PUT])
    assert [c["delta"].get("role") for chunk in told.chunks for c in chunk["choices"]].count("assistant") == 1


def test_a_released_call_forbids_it() -> None:
    """The client will run it: what was cut beside it is told in the next turn."""
    other = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>\n'
    told = driver(stream=False).play(says(other, CUT))
    assert calls(told) == [("read_file", {"path": "a"})]
    assert "was not run" in told.said[0]


def test_a_call_to_a_tool_that_is_not_there_is_asked_for_in_other_words() -> None:
    """Not in smaller steps: it names what is there."""
    one = driver()
    told = one.play(says(WHOLE.replace("write_file", "fly")), again("I cannot."))
    assert "a tool call to fly that names a tool that is not available" in words(one.asked[1])
    assert (told.said[0], reason(told)) == ("I cannot.", "stop")


@pytest.mark.parametrize("second", [NO_QUOTA, PARENT_REFUSED], ids=["quota", "parent"])
def test_without_a_second_answer_the_client_gets_the_first(second: Answer) -> None:
    """An error would hide what Qwen has said."""
    rest = [second] if second is NO_QUOTA else [second, NO_QUOTA]
    told = driver(stream=False).play(says("So:\n\n", CUT), *rest)
    assert (told.status, reason(told)) == (200, "length")
    assert told.said[0] == f"So:\n\n{SENTENCE}"
    told = driver().play(says(CUT), *rest)
    assert (told.said[0], reason(told)) == (SENTENCE, "length")
    assert [commit.anchor.parent_id for commit in told.commits] == [frames.USER]


def test_a_fault_of_the_repetition_is_recovered_like_any_other() -> None:
    """The same words again, note and all."""
    one = driver()
    told = one.play(says(CUT), EMPTY, again(WHOLE))
    assert words(one.asked[1]) == words(one.asked[2])
    assert calls(told) == [PUT]


def test_a_broken_connection_in_a_call_is_a_fault_and_no_answer() -> None:
    """The sentence about the call is no word of the answer: the policy asks again, as for any other cut."""
    whole = says(CUT)
    broken = Answer(whole.pieces[:-1], ending="lost")
    one = driver()
    assert calls(one.play(broken, again(WHOLE))) == [PUT]
    assert one.exchange.repeated is None


# -- a call behind words that a client has seen

SHOWN = "I will write it.\n\n"
XML_CUT = "<tool_call>\n<function=write_file>\n<parameter=path>\na\n</parameter>\n<parameter=content>\nx"


@pytest.mark.parametrize("broken", [CUT, XML_CUT, MANGLED], ids=["cut json", "cut", "unreadable"])
def test_a_call_behind_words_is_asked_for_below_them(broken: str) -> None:
    """The client gets one message with the words and the call; Qwen hears why, and no word of the history again."""
    one = driver(asking(*HISTORY, tools=(WRITE, READ)))
    told = one.play(says(SHOWN, broken), again(WHOLE), found=continuing(one))
    first, second = one.asked
    assert (first["chat_id"], first["parent_id"]) == ("old-chat", "old-node")
    assert (second["chat_id"], second["parent_id"]) == ("old-chat", frames.ANSWER)
    assert "Two?" not in words(second)
    assert "(Your last tool call to write_file " in words(second)
    assert "and was not run; nothing was changed by it" in words(second)
    assert "(To use a tool" in words(second)
    assert (told.said[0], calls(told), reason(told)) == (SHOWN, [PUT], "tool_calls")
    assert [c["delta"].get("role") for chunk in told.chunks for c in chunk["choices"]].count("assistant") == 1
    assert one.exchange.repeated is Cause.NOT_WHOLE
    (commit,) = told.commits
    assert (commit.anchor.parent_id, commit.anchor.previous) == ("answer-again", frames.ANSWER)
    ids = re.findall(rb'"id":"(call_qb_[^"]+)"', told.body)
    echo = Message("assistant", (TextPart(SHOWN.strip()),), tool_calls=(ToolCall(ids[0].decode(), "write_file", "{}"),))
    assert commit.key == chain(SCOPE, [*one.question.request.dialogue, echo])[-1]


def test_what_is_said_in_front_of_the_second_call_is_shown() -> None:
    """On a line of its own, whatever the first words ended with."""
    told = driver().play(says("I write: ", CUT), again("\n\nSorry.\n\n", WHOLE))
    assert (told.said[0].rstrip(), calls(told)) == ("I write: \n\n\n\nSorry.", [PUT])


def test_a_second_call_that_is_no_better_is_told_in_one_sentence() -> None:
    """Its own; the next turn goes on from the client's question, and there is no third attempt."""
    told = driver().play(says(SHOWN, CUT), again(XML_CUT))
    assert told.said[0] == f"{SHOWN}(The call to write_file was cut off and was not run.)"
    assert (calls(told), reason(told)) == ([], "length")
    assert [commit.anchor.parent_id for commit in told.commits] == [frames.USER]


def test_a_model_that_gives_no_call_when_asked_for_it() -> None:
    """Its words are shown, then the sentence about the call that it gave before; it has heard of that."""
    told = driver().play(says(SHOWN, CUT), again("It is there already."))
    said = f"{SHOWN}It is there already.\n\n{SENTENCE}"
    assert (told.said[0], calls(told), reason(told)) == (said, [], "stop")
    (commit,) = told.commits
    assert commit.anchor.parent_id == "answer-again"
    assert commit.key == chain(SCOPE, [user("Write it."), Message("assistant", (TextPart(said),))])[-1]


SECOND_FAULTS = {
    "quota": [NO_QUOTA],
    "parent": [PARENT_REFUSED],
    "empty": [EMPTY, EMPTY],
    "intercepted": [again(REFUSED)],
}


@pytest.mark.parametrize("second", SECOND_FAULTS.values(), ids=SECOND_FAULTS.keys())
def test_without_a_second_answer_the_first_has_its_end(second: list[Answer]) -> None:
    """The client's message is closed with the sentence; nothing of the history goes to a new chat."""
    one = driver(asking(*HISTORY, tools=(WRITE, READ)))
    told = one.play(says(SHOWN, XML_CUT), *second, found=continuing(one))
    assert told.said[0] == f"{SHOWN}(The call to write_file was cut off and was not run.)"
    assert (calls(told), reason(told), told.forgotten) == ([], "length", [])
    assert [commit.anchor.parent_id for commit in told.commits] == [frames.USER]
    assert {asked["chat_id"] for asked in one.asked} == {"old-chat"}


def test_a_second_answer_that_breaks_off_in_its_words_ends_the_first() -> None:
    """What was shown stands, the sentence stands on a line of its own, and half a call is none."""
    broken = Answer(again("Here it ", "is: ", CUT).pieces[:-1], ending="lost")
    told = driver().play(says(SHOWN, XML_CUT), broken)
    assert told.said[0].startswith(f"{SHOWN}Here it is:")
    assert told.said[0].splitlines()[-1].endswith("and was not run.)")
    assert (calls(told), reason(told)) == ([], "length")


def test_a_second_answer_that_fails_before_a_word_is_asked_for_again() -> None:
    """At the same place, in the same words."""
    one = driver()
    told = one.play(says(SHOWN, CUT), Answer(again(WHOLE).pieces[:1], ending="lost"), again(WHOLE))
    assert [asked["parent_id"] for asked in one.asked] == [None, frames.ANSWER, frames.ANSWER]
    assert words(one.asked[1]) == words(one.asked[2])
    assert (told.said[0], calls(told)) == (SHOWN, [PUT])


def test_a_client_that_leaves_while_the_call_is_asked_for_goes_on_from_its_own_question() -> None:
    """It has seen the words alone: neither the broken call nor the bridge's question lies on its path."""
    one = driver()
    one.ask()
    assert one.attempt(says(SHOWN, CUT))
    one.ask()
    one.exchange.sent()
    one.exchange.left()
    assert one.exchange.unheard == Stop("new-1", "")
    assert one.exchange.unanswered is not None
    assert one.exchange.unanswered.anchor.parent_id == frames.USER


def test_an_xml_client_gets_its_call_below_its_words() -> None:
    """The same, with the call in the text."""
    told = roo().play(says(SHOWN, WRITTEN_XML[:50]), again(WRITTEN_XML))
    assert told.said[0].rstrip() == f"{SHOWN}{WRITTEN_XML}"
    assert told.commits[0].anchor.parent_id == "answer-again"


@pytest.mark.parametrize(
    ("withheld", "expected"),
    [(XML_CUT, "length"), (WHOLE.replace("write_file", "fly"), "stop"), (MANGLED, "stop"), (CUT, "length")],
    ids=["cut", "undeclared", "unreadable", "cut json"],
)
def test_an_answer_ends_with_length_when_a_call_was_cut_and_only_then(withheld: str, expected: str) -> None:
    """A call that was refused is another matter: the answer is complete, and a sentence says what became of it."""
    told = driver().play(says(withheld), again(withheld))
    assert (reason(told), calls(told)) == (expected, [])
    assert told.said[0].endswith("and was not run.)")


# -- a call that is demanded


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("choice", [REQUIRED, ToolChoice("named", "write_file")], ids=["required", "named"])
def test_a_demanded_call_that_did_not_come_is_asked_for_once(choice: ToolChoice, stream: bool) -> None:
    """The words that came instead are not shown, though the client streams."""
    one = driver(stream=stream, tool_choice=choice)
    told = one.play(says("You could ", "write it yourself."), again(WHOLE))
    which = "the tool write_file" if choice.mode == "named" else "one of the tools"
    assert f"Answer only with a call to {which}" in words(one.asked[1])
    assert (told.said[0], calls(told), reason(told)) == ("", [PUT], "tool_calls")


def test_a_call_is_never_invented() -> None:
    """What the second answer says is what the client gets, with the reason that is true, and it is continued from."""
    told = driver(tool_choice=REQUIRED).play(says("No."), again("No, really."))
    assert (told.said[0], calls(told), reason(told)) == ("No, really.", [], "stop")
    assert told.commits[0].anchor.parent_id == "answer-again"


def test_the_first_answer_in_words_can_be_continued() -> None:
    """It is the client's when the second does not come, and it lies where it was given."""
    told = driver(tool_choice=REQUIRED).play(says("No."), NO_QUOTA)
    assert (told.said[0], reason(told)) == ("No.", "stop")
    assert told.commits[0].anchor.parent_id == frames.ANSWER


def test_another_tool_is_not_the_named_one() -> None:
    """A call that nobody asked for is held back with the rest."""
    other = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>'
    told = driver(tool_choice=ToolChoice("named", "write_file")).play(says(other), again(WHOLE))
    assert calls(told) == [PUT]


def test_a_demanded_call_is_not_asked_for_twice() -> None:
    """Where it came, it is the answer; without a demand words are one."""
    assert calls(driver(tool_choice=REQUIRED).play(says("Well. ", WHOLE))) == [PUT]
    assert driver().play(says("No.")).said[0] == "No."


# -- a call that is forbidden

FORBIDDEN = "(The call to write_file was not allowed in this answer and was not run.)"


@pytest.mark.parametrize("stream", [True, False])
def test_a_forbidden_call_is_asked_for_in_words(stream: bool) -> None:
    """With `tool_choice: none` the client gets prose, and neither a call nor its markup."""
    one = driver(stream=stream, tool_choice=ToolChoice("none"))
    told = one.play(says(WHOLE), again("It would hold an x."))
    assert "Answer in words" in words(one.asked[1])
    assert (told.said[0], calls(told), reason(told)) == ("It would hold an x.", [], "stop")
    assert one.exchange.repeated is Cause.FORBIDDEN
    assert told.commits[0].anchor.parent_id == "answer-again"


def test_a_forbidden_call_behind_words_or_for_the_second_time_is_told_in_a_sentence() -> None:
    """The words are the answer that was asked for; a call that is cut off is told in the same way."""
    for call in (WHOLE, XML_CUT, CUT):
        told = driver(tool_choice=ToolChoice("none")).play(says(SHOWN, call))
        assert (told.said[0], calls(told), reason(told)) == (f"{SHOWN}{FORBIDDEN}", [], "stop")
    told = driver(tool_choice=ToolChoice("none")).play(says(WHOLE), again(WHOLE))
    assert (told.said[0], calls(told), reason(told)) == (FORBIDDEN, [], "stop")


# -- what the site takes for its own


@pytest.mark.parametrize("stream", [True, False])
def test_an_intercepted_call_is_asked_for_in_the_other_form(stream: bool) -> None:
    """At once, the running answer being given up; the sentence of the site reaches nobody."""
    one = driver(stream=stream)
    one.ask()
    assert one.attempt(Answer([*says(REFUSED, REFUSED).pieces[:2]], ending="silent"))
    assert one.told.stopped == [Stop("new-1", frames.ANSWER)]
    one.ask()
    first, second = one.asked
    assert "<function=" in words(second)
    assert "<function=" not in words(first)
    assert not one.attempt(again(WHOLE))
    assert (one.told.said[0], calls(one.told)) == ("", [PUT])
    assert one.exchange.repeated is Cause.INTERCEPTED


def test_a_chat_that_knows_the_tools_is_told_of_them_in_the_other_form() -> None:
    """Otherwise it would keep to the one it was taught."""
    one = driver(asking(*HISTORY, tools=(WRITE,)))
    one.play(says(REFUSED), again(WHOLE), found=continuing(one))
    assert "<tools>" not in words(one.asked[0])
    assert "tools from now on" in words(one.asked[1])
    assert "<function=" in words(one.asked[1])


def test_the_other_form_is_remembered_for_the_model_and_in_the_anchor() -> None:
    """The next request teaches it at once, and a chat that heard it does not hear it again."""
    one = driver()
    commit = one.play(says(REFUSED), again("Hello.")).commits[0]
    manner = one.question._manner
    next_one = Driver(asking(user("Again."), tools=(WRITE, READ)), manner=manner)
    next_one.ask()
    assert "<function=" in words(next_one.asked[0])
    assert next_one.question.tooling.told(next_one.question._instructions) == commit.anchor.instructions


def test_a_site_that_takes_both_forms_is_an_error_with_advice() -> None:
    """Nothing of it is shown."""
    told = driver().play(says(REFUSED), again(REFUSED))
    assert (told.status, told.error["code"]) == (502, "qwen_tools_intercepted")
    assert "does not exist" not in told.error["message"]


def test_an_interception_beside_words_that_were_seen_is_left_out() -> None:
    """It is too late to ask again, and the sentence is still nobody's."""
    told = driver().play(says("I write.\n", f"{REFUSED}\n", "Done."))
    assert "exists" not in told.said[0]
    assert told.said[0].endswith("Done.")


# -- clients that describe their tools as XML

XML = "\n".join(
    f"## {name}\nDescription: x\nParameters:\n- path: (required) x\n- content: x\nUsage:\n<{name}>\n<path>x</path>\n"
    f"<content>x</content>\n</{name}>\n"
    for name in ("read_file", "write_to_file")
)
WRITTEN_XML = "<write_to_file>\n<path>a</path>\n<content>\nx\n</content>\n</write_to_file>"


def roo(stream: bool = True) -> Driver:
    return Driver(asking(Message("system", (TextPart(XML),)), user("Write it."), stream=stream))


def test_an_xml_client_is_asked_again_for_the_same() -> None:
    """A cut call, in its own words: no second language is taught."""
    one = roo()
    told = one.play(says(WRITTEN_XML[:50]), again(WRITTEN_XML))
    assert "write_to_file that was cut off" in words(one.asked[1])
    assert "<tools>" not in words(one.asked[1])
    assert "<path>a</path>" in told.said[0]
    assert "not run" not in told.said[0]
    assert told.commits[0].anchor.parent_id == "answer-again"


def test_an_xml_client_whose_call_the_site_took_is_asked_for_text() -> None:
    """There is no other form for it."""
    one = roo()
    told = one.play(says("Tool write_to_file does not exists."), again(WRITTEN_XML))
    assert "Write it as plain text" in words(one.asked[1])
    assert "<path>a</path>" in told.said[0]
    assert "exists" not in told.said[0]


# -- the parts


def report(*decisions: Decision, name: str = "write_file", refused: int = 0) -> Report:
    made = [CallReport(name, "hermes_json", (), decision) for decision in decisions]
    return Report(made, ["write_file"] * refused)


@pytest.mark.parametrize(
    "why", [why for why in Reason if why not in (Reason.NOT_ALLOWED, Reason.INTERCEPTED, Reason.FORBIDDEN)]
)
def test_every_reason_but_one_can_be_mended(why: Reason) -> None:
    """A whole call that is one too many is withheld, and asked for by nobody."""
    assert cause_at_end(report(Decision(Verdict.WITHHELD, why)), AUTO) is Cause.NOT_WHOLE
    assert cause_at_end(report(Decision(Verdict.WITHHELD, Reason.NOT_ALLOWED)), AUTO) is None
    assert cause_at_end(report(RELEASE, Decision(Verdict.WITHHELD, why)), AUTO) is None
    assert cause_at_end(report(refused=1), AUTO) is Cause.INTERCEPTED
    assert cause_at_end(report(Decision(Verdict.WITHHELD, Reason.FORBIDDEN)), ToolChoice("none")) is Cause.FORBIDDEN


def test_what_a_choice_demands() -> None:
    """Any call, or the named one."""
    named = ToolChoice("named", "put")
    assert [demands(choice) for choice in (AUTO, ToolChoice("none"), REQUIRED, named)] == [False, False, True, True]
    assert [answers("get", choice) for choice in (AUTO, REQUIRED, named)] == [True, True, False]
    assert cause_at_end(report(RELEASE), named) is Cause.NO_CALL


def test_patience_has_an_end() -> None:
    """A long answer in words is let go, in order, and where it lies was never held."""
    stage = Patience(Through(), REQUIRED)
    started = ResponseStarted("c", "u", "a")
    thought, text = ReasoningDelta("t" * 10), TextDelta("w" * MOST_HELD)
    assert stage.feed(started) == [started]
    assert stage.feed(thought) == []
    assert stage.feed(text) == [thought, text]
    assert stage.feed(TextDelta("more")) == (TextDelta("more"),)


def test_patience_ends_with_the_answer() -> None:
    """Nothing is lost, and a second close gives nothing."""
    events: list[StreamEvent] = [TextDelta("a"), ResponseEnded("stop")]
    stage = Patience(Through(), REQUIRED)
    assert [out for event in events for out in stage.feed(event)] == events
    assert list(stage.close()) == []
    stage = Patience(Through(), REQUIRED)
    stage.feed(events[0])
    assert list(stage.close()) == events[:1]
    assert list(stage.close()) == []
