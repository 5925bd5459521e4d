"""Bodies as long as a call may be; `scripts/toolcalls --bulk` tries every ingredient in every dialect."""

from __future__ import annotations

import pytest

from qwen_bridge.events import ResponseEnded, StreamEvent, TextDelta
from qwen_bridge.toolcalls.cases import CountedIds, specs
from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.policy import MAX_CALL, Reason
from tests.stage_laws import work
from tests.toolcalls.bench import TOOLS, XML_TOOLS, Answer
from tests.toolcalls.bulk import FORMS, INGREDIENTS, filled, told, told_in_xml

TOO_LONG = "(A tool call was too long and was not run.)"


@pytest.mark.parametrize("ingredient", [one for one in INGREDIENTS if one != "all of them"])
def test_a_body_of_a_mebibyte_arrives_to_the_byte(ingredient: str) -> None:
    """In the trained forms, whatever it is made of."""
    assert all(told(ingredient, form)[1] for form in ("hermes", "qwen_xml"))


@pytest.mark.parametrize("form", FORMS)
def test_a_mebibyte_of_everything_arrives_in_every_dialect(form: str) -> None:
    """Entities, fences, calls, closers, surrogates and the rest together."""
    assert told("all of them", form)[1]


@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_a_body_of_a_mebibyte_arrives_at_an_xml_client(ingredient: str) -> None:
    """The client's own parser reads it to the byte."""
    assert told_in_xml(ingredient, "hermes")[1]


@pytest.mark.parametrize("form", ["qwen_xml", "invoke"])
def test_a_mebibyte_with_two_readings_is_withheld(form: str) -> None:
    """A closer in the body may be that of a parameter whose opener was lost: nothing of it is shown."""
    answer, arrived = told_in_xml("own closers", form)
    assert not arrived
    assert answer.text == f"(The call to write_to_file {Reason.UNCLEAR.value} and was not run.)"


@pytest.mark.parametrize("closer", ["</content>\n</write_to_file>\n", "</content>\n<line_count>9</line_count>\n"])
def test_what_xml_cannot_express_is_withheld(closer: str) -> None:
    """A body that would arrive cut or changed is not sent, and the client's parser sees no tool at all."""
    body = filled("a line of text\n", "hermes", MAX_CALL - 1000) + closer
    answer = Answer(FORMS["hermes"]("write_to_file", body), tools=XML_TOOLS, client="roo_xml")
    assert answer.text == f"(The call to write_to_file {Reason.INEXPRESSIBLE.value} and was not run.)"
    assert read_answer(answer.text, {tool["name"]: tool["parameters"]["properties"] for tool in XML_TOOLS}) == []


@pytest.mark.parametrize("client", ["openai_tools", "roo_xml"])
@pytest.mark.parametrize("form", FORMS)
def test_a_call_just_beyond_the_bound_is_withheld(form: str, client: str) -> None:
    """In plain words, and not one character of it is shown."""
    tool, tools = ("put", TOOLS) if client == "openai_tools" else ("write_to_file", XML_TOOLS)
    body = "x" * (MAX_CALL + 1 - len(FORMS[form](tool, "")))
    assert len(FORMS[form](tool, body)) == MAX_CALL + 1
    assert Answer(FORMS[form](tool, body[1:]), tools=tools, client=client).finish == "tool_calls"  # type: ignore[arg-type] # one of two known clients
    answer = Answer(FORMS[form](tool, body), tools=tools, client=client)  # type: ignore[arg-type] # one of two known clients
    assert (answer.text, answer.calls, answer.finish) == (TOO_LONG, [], "length")


FLAWED = "<function=put>\n<parameter=path>\nb\n</function>\n"
GOOD = "<function=ping>\n</function>\n"
DOUBTED = "<put><path>a</path><content>x</content></put>\nx </limit> y\n"
QUOTED = '- "<put>'
SHAPES = {
    "text": "{}",
    "body": "<tool_call>\n<function=put>\n<parameter=content>\n{}\n</parameter>\n</function>\n</tool_call>",
    "tags": "<put>\n<content>\n{}\n</content>\n<path>a</path>\n</put>",
    "string": '<tool_call>\n{"name": "put", "arguments": {"path": "a", "content": "{}"}}\n</tool_call>',
    "behind a call": "<ping/>\n{}",
}
FILLINGS = [
    "\n", "<", "</", "<a>", "{", '"', "\\", "```\n", "<tool_call>", "</tool_call>\n", "</put>", "</parameter>\n",
    "<put>\n<path>", "[[", "<!--", "<|", "<para", FLAWED, GOOD, DOUBTED, QUOTED,
]  # fmt: skip


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_work_is_linear(shape: str, filling: str) -> None:
    """Four times as much of it is at most about four times the work, in executed lines, and not many per character.

    The bound on the lines is a third above the most that was measured; the readings whose cost is free are in it.
    """

    def items(size: int) -> list[StreamEvent]:
        return [TextDelta(SHAPES[shape].replace("{}", filling * (size // len(filling)))), ResponseEnded("stop")]

    def make() -> ToolCallExtractor:
        return ToolCallExtractor(specs(TOOLS), "openai_tools", CountedIds())

    small, large = work(make, items(4_000)), work(make, items(16_000))
    assert large <= 4.4 * small + 2_000
    assert large <= 160 * 16_000
