from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.cases import parse, parse_line, pieces, specs
from tests.toolcalls.bench import TOOLS, XML_TOOLS, hermes, qwen_xml

RUN = hermes("shell", {"command": "ls"})


def test_a_line_gives_a_line() -> None:
    """Calls, text, withheld names, repairs and dialect, under the id of the case."""
    assert parse({"id": "x", "raw": f"Now. {RUN}", "tools": TOOLS, "client": "openai_tools", "end": "stop"}) == {
        "id": "x",
        "calls": [{"name": "shell", "arguments": {"command": "ls"}}],
        "text": "Now. ",
        "withheld": [],
        "repairs": [],
        "dialect": "hermes_json",
    }


def test_an_xml_client_gets_the_calls_in_the_text() -> None:
    """Both as XML and as a list."""
    result = parse({"raw": qwen_xml("read_file", {"path": "a"}), "tools": XML_TOOLS, "client": "roo_xml"})
    assert result["text"] == "<read_file>\n<path>a</path>\n</read_file>\n"
    assert result["calls"] == [{"name": "read_file", "arguments": {"path": "a"}}]


@pytest.mark.parametrize("end", ["stop", "length", "abort"])
def test_a_whole_call_counts_however_the_answer_ended(end: str) -> None:
    """Only what is open suffers from a cut."""
    assert len(parse({"raw": RUN, "tools": TOOLS, "end": end})["calls"]) == 1
    assert parse({"raw": RUN[:-20], "tools": TOOLS, "end": "abort"})["calls"] == []


def test_a_case_of_the_thinking_phase() -> None:
    """Text of the thinking is inert beside an answer, and counts where it is all there is."""
    assert parse({"raw": "No.", "thinking": RUN, "tools": TOOLS})["calls"] == []
    assert len(parse({"raw": RUN, "phase": "think", "tools": TOOLS})["calls"]) == 1


def test_cuts_give_the_text_back() -> None:
    """Whole, by characters, at random; the same seed cuts alike; anything else is refused."""
    assert list(pieces("abc", "whole")) == ["abc"]
    assert list(pieces("abc", "chars")) == ["a", "b", "c"]
    assert "".join(pieces("abc" * 50, "random:1")) == "abc" * 50
    assert list(pieces("abc" * 50, "random:1")) == list(pieces("abc" * 50, "random:1"))
    with pytest.raises(ValueError, match="cut"):
        list(pieces("abc", "half"))


def test_tools_are_flat_or_in_openais_envelope() -> None:
    """Both declare the same."""
    flat = {"name": "t", "description": "d", "parameters": {"type": "object"}}
    assert specs([flat]) == specs([{"type": "function", "function": flat}])
    assert specs([{"name": "t"}])[0].parameters == {}


PUT = {
    "name": "put",
    "parameters": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
        "required": ["path", "content"],
    },
}
LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}


@pytest.mark.parametrize("end", ["stop", "length", "abort"])
def test_no_argument_of_a_cut_call_is_shown(end: str) -> None:
    """What is open at the end belongs to the call: none of it may appear as text."""
    raw = 'Hi <tool_call>{"name": "put", "arguments": {"path": "a", "content": "half a secret'
    result = parse({"id": 1, "raw": raw, "tools": [PUT], "client": "openai_tools", "end": end})
    assert result["calls"] == []
    assert result["withheld"] == ["put"]
    assert "secret" not in result["text"]


@pytest.mark.parametrize("closer", ["</ output >", "< /output>", "＜/output＞", "<|a|/output>", "</output>"])
def test_the_end_of_an_invented_result_is_seen_under_any_cut(closer: str) -> None:
    """However the closing tag is spelt, one character at a time gives what the whole text gives."""
    raw = f'<output>\nx\n{closer}\n{{"name": "look", "arguments": {{"path": "a"}}}}'
    case = {"id": 1, "raw": raw, "tools": [LOOK], "client": "openai_tools"}
    results = [parse(case, cut) for cut in ("whole", "chars", "random:1", "random:2")]
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("tools", [None, {}, "x", 5, [None, 7, {}], [{"name": 3}], [{"function": None}]])
def test_odd_tools_are_no_tools(tools: object) -> None:
    """Whatever stands there, a line is answered."""
    assert specs(tools) == []
    assert parse({"raw": RUN, "tools": tools})["calls"] == []


def test_tools_may_be_names_or_a_table() -> None:
    """A name alone takes any argument; a table maps names to schemas."""
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    for tools in (["shell"], {"shell": schema}, [{"name": "shell", "input_schema": schema}]):
        assert parse({"raw": RUN, "tools": tools})["calls"] == [{"name": "shell", "arguments": {"command": "ls"}}]


def test_a_line_that_is_no_case_gives_an_empty_result() -> None:
    """With the reason, and without an exception."""
    for line in (b"nonsense", b"[]", b"\xff", b"7", b"[" * 100_000):
        assert parse_line(line)["error"]
    assert "error" not in parse_line(b"{}")


def test_a_thought_that_is_given_twice_is_thought_once() -> None:
    """A case of the thinking phase may hold its text in both fields."""
    assert len(parse({"raw": RUN, "thinking": RUN, "phase": "think", "tools": TOOLS})["calls"]) == 1
