"""How the tools of a request travel there and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwen_bridge.conversation.transcript import PLAIN_WORDS, Block
from qwen_bridge.events import ResponseEnded, StreamEvent, TextDelta, ToolCallStarted
from qwen_bridge.exchange.tooling import Tooling, report_of
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolCall, ToolChoice, ToolSpec
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
    """`tool_choice: none` leaves the tools out."""
    made = tooling(replace(ASKED, tool_choice=ToolChoice("none")))
    assert made.text == ""
    assert through(made, CALL)[0] == TextDelta(CALL)


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
    (restored,) = made.as_said([Message("assistant", (TextPart(shown),))])
    assert restored.text == said
