from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.messages import Message, TextPart, ToolCall, ToolChoice
from qwen_bridge.toolcalls import teach
from qwen_bridge.toolcalls.cases import specs
from tests.toolcalls.bench import TOOLS, XML_TOOLS, Answer, spec

FORMS: list[teach.Form] = ["hermes", "qwen_xml"]
SPECS = specs(TOOLS)


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("qwen3-max", "hermes"),
        ("qwen2.5-72b", "hermes"),
        ("qwen3-235b-a22b", "hermes"),
        ("qwen3-coder-plus", "qwen_xml"),
        ("qwen3.5-plus", "qwen_xml"),
        ("qwen3.7-max", "qwen_xml"),
    ],
)
def test_the_form_follows_the_family(model: str, form: teach.Form) -> None:
    """Each model gets what it was trained on, unless the user says otherwise."""
    assert teach.form_for(model) == form
    assert teach.form_for(model, teach.other_form(form)) == teach.other_form(form)


@pytest.mark.parametrize("form", FORMS)
def test_the_example_is_a_call_that_the_bridge_reads(form: teach.Form) -> None:
    """It uses a declared tool, with its required parameters, in exactly the form taught."""
    text = teach.instructions(SPECS, form)
    example = text[text.index("For example:") + len("For example:") : text.index("Rules:")]
    ((name, arguments),) = Answer(example).calls
    assert set(arguments) >= set(spec(name).parameters["required"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["shell", "write_file", "ping"])
def test_a_rendered_call_is_read_back(form: teach.Form, name: str) -> None:
    """What the history shows is what the bridge would read."""
    known: dict[str, dict[str, Any]] = {
        "shell": {"command": "a\nb", "timeout": 5},
        "write_file": {"path": "a", "content": "x\n"},
    }
    arguments = known.get(name, {})
    assert Answer(teach.call(name, arguments, form)).calls == [(name, arguments)]


def test_every_tool_is_listed_as_a_json_line() -> None:
    """The list stands between its tags, one tool a line."""
    text = teach.instructions(SPECS, "hermes")
    lines = text[text.index("<tools>\n") + 8 : text.index("\n</tools>")].splitlines()
    assert [json.loads(line)["function"]["name"] for line in lines] == [tool.name for tool in SPECS]


@pytest.mark.parametrize("form", FORMS)
def test_the_choice_becomes_a_sentence(form: teach.Form) -> None:
    """None leaves the tools out; required and named are said in the reminder alone, for the chat keeps the rest."""
    assert teach.instructions(SPECS, form, ToolChoice("none")) == teach.reminder(form, ToolChoice("none")) == ""
    for choice, words in (
        (ToolChoice("required"), "must call a tool"),
        (ToolChoice("named", "ping"), "call the tool ping"),
    ):
        assert words in teach.reminder(form, choice)
        assert "must call" not in teach.instructions(SPECS, form, choice)


def test_a_named_choice_is_the_example() -> None:
    """The tool that must be called is the one that is shown."""
    text = teach.instructions(SPECS, "hermes", ToolChoice("named", "put"))
    assert '"name": "put"' in text[text.index("For example:") :]


def test_one_call_per_reply_is_said() -> None:
    """Without parallel calls, and with each reply: the next may be another."""
    assert "one call per reply" in teach.reminder("hermes", parallel=False).lower()
    assert "one call per reply" not in teach.reminder("hermes").lower()
    assert "one call per reply" not in teach.instructions(SPECS, "hermes").lower()


def test_no_tools_no_words() -> None:
    """A client without tools gets no text about them."""
    assert teach.instructions([], "hermes") == ""


def test_the_reminder_is_one_line() -> None:
    """It stands at the end of a message."""
    assert "\n" not in teach.reminder("qwen_xml", ToolChoice("required"), parallel=False)
    assert "\n" not in teach.xml_reminder()


def test_earlier_calls_and_results_have_no_ids() -> None:
    """The history shows them in the same form, in their order, with the tool's name."""
    calls = (ToolCall("call_1", "shell", '{"command":"ls"}'), ToolCall("call_2", "ping", ""))
    text = teach.earlier_calls(calls, "qwen_xml")
    assert Answer(text).calls == [("shell", {"command": "ls"}), ("ping", {})]
    assert "call_1" not in text
    answers = [Message("tool", (TextPart("a.py"),), tool_call_id="call_1"), Message("tool", tool_call_id="call_9")]
    assert teach.results(answers, {"call_1": "shell"}) == (
        "<tool_response>\nshell:\na.py\n</tool_response>\n<tool_response>\ntool:\n\n</tool_response>"
    )


@pytest.mark.parametrize("arguments", ["not json", "[1]"])
def test_arguments_that_are_no_object_are_shown(arguments: str) -> None:
    """Whatever the client echoed is kept."""
    assert "arguments" in teach.earlier_calls((ToolCall("i", "shell", arguments),), "hermes")


def test_an_xml_client_gets_an_example_in_its_own_form() -> None:
    """Read by the client's own rules it is a whole call."""
    example = teach.xml_example(spec("write_to_file"))
    assert Answer(example.partition("\n\n")[2], tools=XML_TOOLS).calls == [
        ("write_to_file", {"path": "value of path", "content": "value of content"})
    ]


def test_sample_values_fit_their_types() -> None:
    """Numbers, truth values, lists and enumerations get a value of their own sort."""
    tool = specs(
        [
            {
                "name": "t",
                "parameters": {"properties": {"n": {"type": "integer"}, "e": {"enum": ["x"]}}, "required": ["n", "e"]},
            }
        ]
    )
    assert '"arguments": {"n": 1, "e": "x"}' in teach.instructions(tool, "hermes")
