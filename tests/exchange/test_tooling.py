"""How the tools of a request travel there and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwen_bridge.conversation.canonical import instructions_digest, system_half, tools_half
from qwen_bridge.conversation.transcript import PLAIN_WORDS, Block
from qwen_bridge.events import ResponseEnded, StreamEvent, TextDelta, ToolCallStarted
from qwen_bridge.exchange.tooling import NOTE, Tooling, report_of
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolCall, ToolChoice, ToolSpec
from qwen_bridge.toolcalls.policy import ToolSettings
from tests.harness.ports import CountedIds

WEATHER = ToolSpec(
    "get_weather", "Look up the weather.", {"type": "object", "properties": {"city": {"type": "string"}}}
)
ASKED = ChatRequest("m", (Message("user", (TextPart("hi"),)),), tools=(WEATHER,))
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Ulm"}}\n</tool_call>'

XML_PROMPT = "\n".join(
    f"## {name}\nDescription: x\nParameters:\n- path: (required) x\nUsage:\n<{name}>\n<path>x</path>\n</{name}>\n"
    for name in ("read_file", "write_to_file")
)


def tooling(request: ChatRequest, model: str = "qwen3-max") -> Tooling:
    return Tooling(request, model, "auto", CountedIds())


def through(made: Tooling, text: str) -> list[StreamEvent]:
    stage = made.stage()
    return [*stage.feed(TextDelta(text)), *stage.feed(ResponseEnded("stop"))]


def test_without_tools_nothing_is_taught_and_nothing_is_read() -> None:
    """A plain chat costs nothing, and text that looks like a call stays text."""
    plain = tooling(replace(ASKED, tools=()))
    parts = [Block("user", "hi")]
    assert plain.text == ""
    assert plain.words is PLAIN_WORDS
    assert plain.remind(parts) == parts
    assert through(plain, CALL) == [TextDelta(CALL), ResponseEnded("stop")]
    assert report_of(plain.stage()) is None


def test_declared_tools_are_taught_and_their_calls_come_back() -> None:
    """The prompt names the tool, the last part ends with the reminder, and the model's text becomes a call."""
    made = tooling(ASKED)
    assert "get_weather" in made.text
    assert "<tool_call>" in made.remind([Block("user", "hi")])[-1].text
    events = through(made, CALL)
    assert any(isinstance(event, ToolCallStarted) and event.name == "get_weather" for event in events)
    assert events[-1] == ResponseEnded("tool_calls")


@pytest.mark.parametrize(("model", "shape"), [("qwen3-max", '"arguments"'), ("qwen3-coder-plus", "<function=")])
def test_the_form_follows_the_models_family(model: str, shape: str) -> None:
    """Max is taught JSON, Coder its own tags; earlier calls are shown in the same form."""
    made = tooling(ASKED, model)
    assert shape in made.text
    assert shape in made.words.call(ToolCall("1", "get_weather", '{"city": "Ulm"}'))
    assert "<tool_response>" in made.words.result("get_weather", "rain")


def test_a_client_that_forbids_tools_gets_text() -> None:
    """`tool_choice: none` leaves the tools out, and the markup of a call that is written all the same."""
    made = tooling(replace(ASKED, tool_choice=ToolChoice("none")))
    assert made.text == ""
    (told, _) = through(made, CALL)
    assert isinstance(told, TextDelta)
    assert "was not allowed in this answer and was not run" in told.text
    assert through(made, "`<tool_call>` is a tag.")[0] == TextDelta("`<tool_call>` is a tag.")


def test_an_xml_client_gets_its_own_xml_whatever_the_model_writes() -> None:
    """No second language is taught, and a call in another form is written in the client's."""
    request = ChatRequest("m", (Message("system", (TextPart(XML_PROMPT),)), Message("user", (TextPart("go"),))))
    made = tooling(request)
    assert "<tools>" not in made.text
    assert "one tool per message" in made.remind([Block("user", "go")])[-1].text
    call = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.txt"}}\n</tool_call>'
    text = "".join(event.text for event in through(made, call) if isinstance(event, TextDelta))
    assert "<read_file>\n<path>a.txt</path>\n</read_file>" in text
    assert "tool_call" not in text


def test_marks_that_made_a_mention_harmless_do_not_reach_qwen() -> None:
    """What the client echoes goes to Qwen as the model had said it."""
    request = ChatRequest("m", (Message("system", (TextPart(XML_PROMPT),)), Message("user", (TextPart("go"),))))
    made = tooling(request)
    said = "I would use <read_file> for that."
    shown = "".join(event.text for event in through(made, said) if isinstance(event, TextDelta))
    assert "<read_file>" not in shown
    (restored,) = made.parts([Message("assistant", (TextPart(shown),))], ())
    assert restored.text.startswith(f"{said}\n\n(")


HELLO = Message("user", (TextPart("hi"),))
CUT_TOLD = Message("assistant", (TextPart("I will.\n\n(The call to get_weather was cut off and was not run.)"),))
GO_ON = Message("user", (TextPart("go on"),))


def labels(parts: list[Block]) -> list[str]:
    return [part.label for part in parts]


@pytest.mark.parametrize("declared", [True, False], ids=["tools", "xml"])
def test_a_call_that_did_not_run_is_told_behind_the_answer_it_stood_in(declared: bool) -> None:
    """As words of the bridge and once; the model's own words are those it said."""
    xml = ChatRequest("m", (Message("system", (TextPart(XML_PROMPT),)), HELLO))
    parts = tooling(ASKED if declared else xml).parts([HELLO, CUT_TOLD, GO_ON], ())
    assert labels(parts) == ["user", "assistant", NOTE, "user"]
    assert parts[1].text == "I will."
    assert parts[2].text == "Your last call to get_weather was cut off and was NOT run. Nothing was changed by it."
    assert "not run" not in parts[3].text.lower()


def test_what_a_chat_was_told_is_not_told_again() -> None:
    """The answers before the tail are known, notes and all."""
    parts = tooling(ASKED).parts([GO_ON], [HELLO, CUT_TOLD, GO_ON, Message("assistant", (TextPart("Well."),))])
    assert labels(parts) == ["user"]


def test_a_note_comes_before_the_results_of_the_calls_that_did_run() -> None:
    """Of several calls in one answer one may have run; results keep the tool's name and place."""
    calls = (ToolCall("1", "get_weather", "{}"), ToolCall("2", "get_weather", "{}"))
    answer = replace(CUT_TOLD, tool_calls=calls)
    results = [Message("tool", (TextPart("rain"),), tool_call_id=number) for number in "12"]
    parts = tooling(ASKED).parts([answer, *results], [HELLO])
    called = 'assistant calls the tool "get_weather"'
    assert labels(parts) == [
        "assistant", called, called, NOTE,
        'result of the tool "get_weather", call 1 of 2', 'result of the tool "get_weather", call 2 of 2',
    ]  # fmt: skip
    assert parts[4].text.startswith("<tool_response>\nget_weather:\nrain")


def test_an_answer_that_was_nothing_but_the_sentence_is_the_note_alone() -> None:
    """An empty part would be a riddle."""
    only = Message("assistant", (TextPart("(A tool call could not be read and was not run.)"),))
    assert labels(tooling(ASKED).parts([only, GO_ON], [HELLO])) == [NOTE, "user"]


def test_tools_that_are_forbidden_once_are_neither_taught_nor_forgotten() -> None:
    """A chat that knows them is asked to do without, a new one is told of none, and what each knows stays known."""
    digest = instructions_digest(ASKED)
    made = tooling(replace(ASKED, tool_choice=ToolChoice("none")))
    assert made.parts([GO_ON], ())[-1].text == "go on"
    assert "Do not call a tool" in made.parts([GO_ON], [HELLO])[-1].text
    assert made.told(digest, digest) == digest
    assert made.told(digest) == instructions_digest(replace(ASKED, tools=()))


def test_the_form_is_a_part_of_what_a_chat_was_told() -> None:
    """Tools taught in another form than the model's own are other words, for the same system text."""
    digest = instructions_digest(ASKED)
    own, other = tooling(ASKED), Tooling(ASKED, "qwen3-max", "qwen_xml", CountedIds())
    assert own.told(digest) == digest
    assert system_half(other.told(digest)) == system_half(digest)
    assert tools_half(other.told(digest)) != tools_half(digest)
    assert len(other.told(digest)) == len(digest)


def test_calls_that_the_site_makes_by_itself_are_nobodys() -> None:
    """A client without tools is given none."""
    stage = tooling(replace(ASKED, tools=())).stage()
    assert not stage.feed(ToolCallStarted(0, "1", "get_weather"))
    assert not stage.close()


def test_the_users_settings_reach_the_reader_of_calls() -> None:
    """An alias that the user gave names a declared tool."""
    made = tooling(ASKED)
    made.settings = ToolSettings(aliases={"wetter": "get_weather"})
    events = through(made, CALL.replace("get_weather", "wetter"))
    assert [event.name for event in events if isinstance(event, ToolCallStarted)] == ["get_weather"]
