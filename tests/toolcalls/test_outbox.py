from __future__ import annotations

from typing import Any

from qwen_bridge.events import StreamEvent, TextDelta, ToolCallStarted
from qwen_bridge.toolcalls.cases import CountedIds
from qwen_bridge.toolcalls.outbox import Client, Outbox
from qwen_bridge.toolcalls.policy import RELEASE, Decision, Reason, ToolSettings, Verdict
from qwen_bridge.toolcalls.reading import Call
from qwen_bridge.toolcalls.waiting import Judged
from tests.toolcalls.bench import XML_TOOLS, catalogue

TOOLS = catalogue(XML_TOOLS)


def box(client: Client = "openai_tools", **settings: Any) -> Outbox:
    return Outbox(TOOLS, client, CountedIds(), ToolSettings(**settings))


def judged(name: str, decision: Decision = RELEASE, **arguments: str) -> Judged:
    return Judged(Call(name, TOOLS.tools[name], arguments), decision, "hermes_json")


def text(events: list[StreamEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_an_xml_client_gets_calls_as_text_and_nothing_behind_them() -> None:
    """The XML stands on lines of its own; text behind the first call is cut."""
    one = box("roo_xml")
    got = text([*one.say("Now."), *one.take(judged("read_file", path="a")), *one.say(" More."), *one.end()])
    assert got == "Now.\n\n<read_file>\n<path>a</path>\n</read_file>\n"


def test_text_behind_a_call_is_kept_by_setting() -> None:
    """Who wants it gets it."""
    one = box("roo_xml", text_after_call=True)
    assert text([*one.take(judged("read_file", path="a")), *one.say("More."), *one.end()]).endswith("More.")


def test_only_one_destructive_call_by_setting() -> None:
    """Calls go out up to the first that writes or runs; the rest is reported."""
    one = box("roo_xml", several_xml_calls=False)
    for name in ("read_file", "execute_command", "execute_command"):
        one.take(judged(name, path="a") if name == "read_file" else judged(name, command="ls"))
    one.end()
    assert [call.name for call in one.report.released] == ["read_file", "execute_command"]
    assert one.report.withheld[0].decision.reason is Reason.NOT_ALLOWED


def test_what_cannot_be_expressed_is_said() -> None:
    """The client reads that the call was not run."""
    one = box("roo_xml")
    one.take(judged("execute_command", command="</command>"))
    assert (
        text(one.end()) == "(The call to execute_command cannot be passed on to this client unchanged and was not run.)"
    )


def test_dangling_closers_withhold_a_waiting_call() -> None:
    """A closer of its own words that came later makes it doubtful; another tag does not."""
    one, other = box(), box()
    one.take(judged("write_to_file", path="a", content="b"))
    other.take(judged("write_to_file", path="a", content="b"))
    one.doubt(frozenset({"content"}))
    other.doubt(frozenset({"div"}))
    assert not [event for event in one.end() if isinstance(event, ToolCallStarted)]
    assert [event for event in other.end() if isinstance(event, ToolCallStarted)]


def test_blanks_around_calls_are_not_shown() -> None:
    """Between calls and behind the last one nothing is left; between a call and text they stay."""
    one = box()
    assert one.take(judged("read_file", path="a"))
    assert one.say("\n\n") == []
    assert text(one.say("Then")) == "\n\nThen"
    assert one.end() == []


def test_a_strange_name_is_not_repeated() -> None:
    """The sentence never carries the model's markup."""
    one = box()
    one.take(Judged(Call("<b>{{x}}", None, {}), Decision(Verdict.WITHHELD, Reason.UNKNOWN_TOOL), "mixed"))
    assert text(one.end()).startswith("(A tool call ")
