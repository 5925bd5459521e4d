from __future__ import annotations

import re

import pytest

from qwen_bridge.errors import AnswerCutOff
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from qwen_bridge.toolcalls.cases import CountedIds, specs
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.policy import Reason, ToolSettings
from tests.toolcalls.bench import TOOLS, XML_TOOLS, Answer, bare, calls, hermes, qwen_xml

READ = ("read_file", {"path": "a.py"})
RUN = ("shell", {"command": "make"})


def stage(**options: object) -> ToolCallExtractor:
    return ToolCallExtractor(specs(TOOLS), "openai_tools", CountedIds(), ToolSettings(**options))  # type: ignore[arg-type] # a test names the settings it changes


def test_prose_leaves_with_the_delta_that_brought_it() -> None:
    """Text that cannot become an opener is not held back."""
    extractor = stage()
    assert extractor.feed(TextDelta("Let me look at a < b. ")) == [TextDelta("Let me look at a < b. ")]


def test_only_the_suffix_that_may_become_a_marker_is_held() -> None:
    """The start of an opener waits, and leaves as text once it is none."""
    extractor = stage()
    assert extractor.feed(TextDelta("See <tool_c")) == [TextDelta("See ")]
    assert "".join(e.text for e in extractor.feed(TextDelta("hest>")) if isinstance(e, TextDelta)) == "<tool_chest>"


def test_a_harmless_call_leaves_as_soon_as_it_is_whole() -> None:
    """A call that can destroy nothing does not wait for the end of the answer."""
    extractor = stage()
    assert extractor.feed(TextDelta(hermes(*READ)[:-1])) == []
    ready = extractor.feed(TextDelta(">"))
    assert [type(event) for event in ready] == [ToolCallStarted, ToolCallDelta, ToolCallEnded]


def test_a_destructive_call_waits_for_the_end_of_the_answer() -> None:
    """A call that writes or runs leaves with the terminal event, in one go."""
    answer = Answer(qwen_xml(*RUN))
    assert answer.before_end == []
    assert [type(event) for event in answer.events] == [ToolCallStarted, ToolCallDelta, ToolCallEnded, ResponseEnded]


def test_ids_are_minted_and_indexes_count() -> None:
    """Every call gets its own id that clients accept, and the next index."""
    answer = Answer(hermes(*READ) + "\n" + hermes(*RUN))
    started = [event for event in answer.events if isinstance(event, ToolCallStarted)]
    assert [event.index for event in started] == [0, 1]
    assert len({event.id for event in started}) == 2
    assert all(re.fullmatch(r"call_qb_[A-Za-z0-9_-]{1,56}", event.id) for event in started)


def test_text_flows_on_behind_a_call() -> None:
    """A waiting call does not hold the text behind it."""
    answer = Answer(f"First. {hermes(*RUN)} Then more.")
    assert TextDelta(" Then more.") in answer.before_end
    assert answer.calls == [RUN]


def test_calls_keep_their_order_even_if_only_the_first_must_wait() -> None:
    """A harmless call behind a destructive one waits with it."""
    assert Answer(hermes(*RUN) + hermes(*READ)).calls == [RUN, READ]


@pytest.mark.parametrize(
    ("text", "end", "finish"),
    [
        (hermes(*READ), "stop", "tool_calls"),
        (hermes(*READ), "length", "tool_calls"),
        ("No tool needed.", "stop", "stop"),
        ("Cut off in the mid", "length", "length"),
        ("<tool_call>\n<function=shell>\n<parameter=command>\nrm", "stop", "length"),
        (hermes(*READ), "content_filter", "content_filter"),
    ],
)
def test_the_finish_reason_is_tool_calls_exactly_when_a_call_left(text: str, end: str, finish: str) -> None:
    """Released means tool_calls, withheld means length, and otherwise Qwen's own reason stands."""
    assert Answer(text, end=end).finish == finish  # type: ignore[arg-type] # one of the three reasons above


def test_a_withheld_call_is_one_plain_sentence() -> None:
    """The client reads that the call was cut off and not run, and sees nothing of its markup."""
    answer = Answer("I will clean up.\n\n<tool_call>\n<function=shell>\n<parameter=command>\nrm -rf bu", end="length")
    assert answer.text == "I will clean up.\n\n(The call to shell was cut off and was not run.)"
    assert answer.withheld == ["shell"]


def test_everything_is_drained_before_a_failure() -> None:
    """What was held back comes out before the error, and the error stays last."""
    extractor = stage()
    extractor.feed(TextDelta("Look at <tool_cal"))
    failure = ResponseFailed(AnswerCutOff("gone"))
    events = extractor.feed(failure)
    assert events[-1] is failure
    assert extractor.report.withheld[0].decision.reason is Reason.CUT_OFF


def test_nothing_follows_a_terminal_event() -> None:
    """Events behind the end are dropped, and closing again gives nothing."""
    extractor = stage()
    extractor.feed(ResponseEnded("stop"))
    assert extractor.feed(TextDelta("late")) == []
    assert extractor.close() == []


def test_close_without_an_end_drains_as_after_a_cut() -> None:
    """An input that stops without a terminal event runs no open destructive call."""
    extractor = stage()
    extractor.feed(TextDelta("<tool_call>\n<function=shell>\n<parameter=command>\nls\n</parameter>"))
    assert not [event for event in extractor.close() if isinstance(event, ToolCallStarted)]
    assert extractor.close() == []


def test_other_events_pass_unchanged() -> None:
    """What is no text goes through in its place."""
    started = ResponseStarted("c", "u", "r")
    assert stage().feed(started) == [started]


def test_inline_thinking_becomes_reasoning() -> None:
    """Text inside thinking tags at the start of a line is no text, and a call in it is none."""
    answer = Answer(f"<think>maybe {hermes(*RUN)}</think>Fine.")
    assert answer.text == "Fine."
    assert answer.calls == []
    assert any(isinstance(event, ReasoningDelta) for event in answer.events)


def promoted(thinking: str, answer: str = "", end: StreamEvent | None = None) -> list[StreamEvent]:
    extractor = stage()
    events = [*extractor.feed(ReasoningDelta(thinking))]
    if answer:
        events += extractor.feed(TextDelta(answer))
    return [*events, *extractor.feed(end or ResponseEnded("stop"))]


def test_a_call_in_thinking_is_promoted_when_it_is_all_there_is() -> None:
    """One complete call at the end of the thinking counts if the answer stayed empty."""
    assert [e.name for e in promoted(f"I will run it.\n{qwen_xml(*RUN)}") if isinstance(e, ToolCallStarted)] == [
        "shell"
    ]


@pytest.mark.parametrize(
    ("thinking", "answer", "end"),
    [
        (qwen_xml(*RUN), "No.", ResponseEnded("stop")),
        (qwen_xml(*RUN) + " or rather not", "", ResponseEnded("stop")),
        (qwen_xml(*RUN) + qwen_xml(*RUN), "", ResponseEnded("stop")),
        (qwen_xml(*RUN)[:-20], "", ResponseEnded("stop")),
        (qwen_xml(*RUN), "", ResponseEnded("length")),
    ],
)
def test_a_call_in_thinking_is_inert_otherwise(thinking: str, answer: str, end: StreamEvent) -> None:
    """An answer, words behind the call, a second call, a cut: each makes the call in the thinking a thought."""
    assert not [event for event in promoted(thinking, answer, end) if isinstance(event, ToolCallStarted)]


def test_the_refusal_of_the_site_is_noted_and_not_shown() -> None:
    """The platform's own sentence never reaches the client."""
    answer = Answer("Tool read_file does not exists.Tool read_file does not exists.\nSorry.")
    assert answer.text.strip() == "Sorry."
    assert answer.extractor.report.refused == ["read_file", "read_file"]
    assert answer.extractor.report.must_ask_again is Reason.INTERCEPTED


def test_an_invented_result_ends_what_counts() -> None:
    """Behind a call, a block of invented results and all after it are cut."""
    answer = Answer(f"{hermes(*READ)}\n<tool_response>\nx = 1\n</tool_response>\nSo x is 1. {hermes(*RUN)}")
    assert answer.calls == [READ]
    assert answer.text == ""


def test_a_call_that_grows_too_long_is_withheld() -> None:
    """The hold-back has a limit, and what exceeds it is said, not run and not leaked."""
    answer = Answer(qwen_xml("put", {"path": "a", "content": "x" * 500}), settings=ToolSettings(max_call=200))
    assert answer.calls == []
    assert answer.text == "(A tool call was too long and was not run.)"


def test_one_call_only_where_the_client_wants_one() -> None:
    """Without parallel calls the first is released and the rest is reported as not asked for."""
    answer = Answer(hermes(*READ) + hermes(*RUN), settings=ToolSettings(parallel=False))
    assert answer.calls == [READ]
    assert answer.extractor.report.withheld[0].decision.reason is Reason.NOT_ALLOWED


def test_closers_that_come_later_make_a_call_doubtful() -> None:
    """A body that held its own closing tags shows by the closers behind it, and the call is withheld."""
    body = "The form ends with\n</parameter>\n</function>\n</tool_call>\nand nothing else."
    answer = Answer(qwen_xml("write_file", {"path": "doc.md", "content": body}))
    assert answer.calls == []
    assert answer.withheld == ["write_file"]


def test_native_calls_are_judged_like_all_others() -> None:
    """A structured call of a declared tool gets an id of the bridge; one of an undeclared tool is dropped."""
    extractor = stage()
    events: list[StreamEvent] = []
    for name in ("shell", "web_search"):
        for event in (ToolCallStarted(3, "x", name), ToolCallDelta(3, '{"command": "make"}'), ToolCallEnded(3)):
            events += extractor.feed(event)
    events += extractor.feed(ResponseEnded("stop"))
    assert [(e.index, e.id[:8], e.name) for e in events if isinstance(e, ToolCallStarted)] == [(0, "call_qb_", "shell")]


def test_json_that_is_no_call_comes_out_unchanged() -> None:
    """An object that was held because it looked like a call is text when it is none."""
    text = '{"arguments": {"a": 1}, "of": "something"}\nis what I saw.'
    assert Answer(text).text == text
    assert bare("nobody", {}) in Answer(f"{bare('nobody', {})}\n").text


def test_a_key_that_a_destructive_tool_does_not_have_stops_it() -> None:
    """It would run without the restriction that was meant; folded and aliased keys are the tool's own."""
    answer = Answer(hermes("shell", {"command": "rm -r build", "dry_run": True}))
    assert answer.calls == []
    assert answer.text == "(The call to shell gives a parameter that the tool does not have (dry_run) and was not run.)"
    assert calls(hermes("put", {"file_path": "a", "Content": "b"})) == [("put", {"path": "a", "content": "b"})]
    assert calls(hermes("read_file", {"path": "a", "raw": True})) == [("read_file", {"path": "a", "raw": True})]
    xml = Answer(hermes("execute_command", {"command": "ls", "why": "x"}), tools=XML_TOOLS, client="roo_xml")
    assert "<why>x</why>" in xml.text


def test_two_values_of_one_parameter_stop_a_destructive_tool() -> None:
    """In tags as in JSON; the same value twice is one."""
    head, tail = "<function=shell><parameter=command>ls</parameter>\n", "</function>"
    twice = "<parameter=cwd>{}</parameter>\n<parameter=cwd>{}</parameter>\n"
    assert calls(head + twice.format("/a", "/b") + tail) == []
    assert calls(head + twice.format("/a", "/a") + tail) == [("shell", {"command": "ls", "cwd": "/a"})]
    assert calls('{"name": "shell", "arguments": {"command": "a", "command": "b"}}') == []
    assert calls('{"name": "shell", "arguments": {"command": "a", "command": "a"}}') == [("shell", {"command": "a"})]


@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_a_call_inside_of_thinking_in_the_answer_is_not_run(tag: str) -> None:
    """Both spellings of the tag are thinking; what follows it is the answer."""
    answer = Answer(f"<{tag}>\n{hermes(*RUN)}\n</{tag}>\nFine.")
    assert (answer.calls, answer.withheld, answer.text) == ([], [], "\nFine.")
