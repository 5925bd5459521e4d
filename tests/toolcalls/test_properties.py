"""Laws of the whole room, over calls and texts of our own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.toolcalls.cases import parse
from qwen_bridge.toolcalls.client_reader import read_answer
from tests.toolcalls.bench import TOOLS, XML_TOOLS, Answer, bare, hermes, invoke, qwen_xml, tagged

type Call = tuple[str, dict[str, Any]]

CALLS: list[Call] = [
    ("write_file", {"path": "a.py", "content": 'x = 1\nif x:\n    print("hi")', "mode": "w"}),
    ("write_file", {"content": "x = 1\ny = 2", "path": "a.py"}),
    ("put", {"path": "a.py", "content": "one line"}),
    ("shell", {"command": "ls -la", "cwd": "/srv", "timeout": 5}),
    ("shell", {"command": 'echo "a" && b', "env": {"A": "1"}}),
    ("shell", {"command": "rm -rf build"}),
    ("read_file", {"path": "a.py", "limit": 3}),
]

FORMS: dict[str, Callable[[str, dict[str, Any]], str]] = {
    "qwen_xml": qwen_xml,
    "qwen_xml, no wrapper": lambda name, arguments: qwen_xml(name, arguments, wrapped=False),
    "qwen_xml, compact": lambda name, arguments: qwen_xml(name, arguments).replace(">\n", ">").replace("\n<", "<"),
    "tool tags": tagged,
    "invoke": invoke,
    "hermes": hermes,
    "bare": bare,
}

TOKEN = re.compile(r'</?[^<>\n]+>|"|[{}\[\],:]')


def mutations(text: str, *, json_form: bool) -> Iterator[str]:
    """`text` with each structural token dropped, and doubled; in JSON the tokens outside of strings."""
    for found in TOKEN.finditer(text):
        tag = found.group().startswith("<")
        if not tag and (not json_form or not _is_structural(text, found.start())):
            continue
        for replacement in ("", found.group() * 2):
            yield text[: found.start()] + replacement + text[found.end() :]


def _is_structural(text: str, at: int) -> bool:
    quotes = len(re.findall(r'(?<!\\)"', text[:at]))
    return text[at - 1 : at] != "\\" and (text[at] == '"' or quotes % 2 == 0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["stop", "length"])
def test_one_broken_token_gives_the_call_or_none(form: str, end: str) -> None:
    """Dropping or doubling one structural token of a good call gives that call or a withhold, never a third thing."""
    for call in CALLS:
        text = FORMS[form](*call)
        assert Answer(text).calls == [call]
        for mutant in mutations(text, json_form=form in ("hermes", "bare")):
            for around in (mutant, f"I will do it now.\n\n{mutant}\n"):
                assert Answer(around, end=end).calls in ([], [call]), mutant  # type: ignore[arg-type] # two known ends


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["stop", "length"])
def test_no_prefix_runs_anything_but_the_whole_call(form: str, end: str) -> None:
    """A prefix calls nothing; only one that lacks nothing but closers may call, and then the same call."""
    for call in (CALLS[2], CALLS[5]):
        text = FORMS[form](*call)
        for stop in range(len(text)):
            assert Answer(text[:stop], end=end).calls in ([], [call])  # type: ignore[arg-type] # two known ends


@pytest.mark.parametrize("form", FORMS)
def test_a_destructive_call_is_never_released_before_its_last_character(form: str) -> None:
    """While the answer still runs, no prefix of it has released the call."""
    text = FORMS[form](*CALLS[3])
    for stop in range(len(text) + 1):
        assert Answer(text[:stop]).before_end == [] or not any(
            type(event).__name__.startswith("ToolCall") for event in Answer(text[:stop]).before_end
        )


HOSTILE = [
    "&lt;b&gt; &amp; &#39;",
    "<![CDATA[x]]>",
    "a ]]> b",
    "```python\nprint(1)\n```",
    "<read_file>\n<path>x</path>\n</read_file>",
    "<tool_call>\n{}\n</tool_call>",
    "line\r\nline\r\n",
    "trailing blanks   \n\t",
    "\n\nleading and trailing newlines\n\n",
    "nul \x00 and \x1f",
    "lone \ud800 surrogate",
    "emoji 🚀 und Umlaute äöü",
    "quotes \" ' ` \\ \\n",
    "</content>\nmore",
    "null",
    "{}",
    "",
    "x" * 100_000,
]


@pytest.mark.parametrize("body", HOSTILE)
@pytest.mark.parametrize("form", ["qwen_xml", "hermes", "tool tags"])
def test_a_hostile_body_arrives_to_the_byte(form: str, body: str) -> None:
    """No body is decoded, trimmed, unwrapped or re-formatted on its way to an OpenAI client."""
    call: Call = ("put", {"path": "a", "content": body})
    if form == "tool tags" and "</content>" in body:
        call = ("put", {"content": body, "path": "a"})
    got = Answer(FORMS[form](*call)).calls
    assert got == ([("put", {**call[1], "content": "x"})] if body == "<![CDATA[x]]>" and form != "hermes" else [call])


@pytest.mark.parametrize("body", [body for body in HOSTILE if len(body) < 90_000])
def test_a_hostile_body_arrives_at_an_xml_client(body: str) -> None:
    """The client's own parser reads the body that was meant, but for the newline it takes off each end."""
    answer = Answer(hermes("write_to_file", {"path": "a", "content": body}), tools=XML_TOOLS, client="roo_xml")
    (call,) = read_answer(answer.text, {tool["name"]: tool["parameters"]["properties"] for tool in XML_TOOLS})
    assert call.finished
    assert dict(call.values) == {"path": "a", "content": body}


PIECES = st.sampled_from(
    [
        "text ", "\n", "\n\n", "`", "```", "```json\n", "<", "</", ">", "{", "}", '"', "<tool_call>", "</tool_call>",
        "<function=put>", "<function=", "</function>", "<parameter=path>", "<parameter=content>", "</parameter>",
        "<put>", "</put>", "<path>", "</path>", "<content>", "</content>", "a.py", '{"name": "put", ', '"arguments": ',
        '{"path": "a", "content": "b"}', "<ping/>", "**", "&lt;", "put", "<think>", "</think>", "<!--", "-->",
        "Tool put does not exists.", "<tool_response>", "</tool_response>", "example: ", "＜", "｜", "[", "]", ",", ":",
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join), st.integers(0, 9), st.sampled_from(["openai_tools", "roo_xml"]))
def test_no_cut_changes_anything(text: str, seed: int, client: str) -> None:
    """Any soup of markers gives the same result whole, by characters, and at random cuts."""
    case = {"raw": text, "tools": TOOLS, "client": client}
    whole = parse(case)
    assert parse(case, "chars") == whole
    assert parse(case, f"random:{seed}") == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_an_xml_client_sees_no_tool_that_was_not_released(text: str) -> None:
    """Whatever the model writes, the client's parser finds the released calls and nothing else."""
    result = parse({"raw": text, "tools": TOOLS, "client": "roo_xml"})
    tools = {tool["name"]: list(tool["parameters"]["properties"]) for tool in TOOLS}
    seen = read_answer(result["text"], tools)
    assert [call.name for call in seen] == [call["name"] for call in result["calls"]]
    assert all(call.finished for call in seen)


BODY = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=60)


@settings(max_examples=100, deadline=None)
@given(BODY, st.sampled_from(["qwen_xml", "hermes"]))
def test_any_text_is_a_value(body: str, form: str) -> None:
    """A value of any characters comes through both trained forms unchanged."""
    call: Call = ("put", {"path": "a", "content": body})
    assert Answer(FORMS[form](*call)).calls == [call]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_text_raises(text: str) -> None:
    """Input of any sort becomes text or a withheld call, never an exception."""
    parse({"raw": text, "tools": TOOLS, "client": "roo_xml"}, "chars")


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from('abc <>/=_\n`{}":'), max_size=60))
def test_prose_without_tools_comes_out_unchanged(text: str) -> None:
    """Where nothing can be called nothing is lost or changed."""
    assert parse({"raw": text, "tools": [], "client": "openai_tools"})["text"] == text


def test_a_long_body_in_small_pieces_is_looked_at_once() -> None:
    """The reading of a body full of closers is tried a bounded number of times, not once per closer."""
    body = "</function>\n" * 4000
    result = parse({"raw": hermes("put", {"path": "a", "content": body}), "tools": TOOLS}, "random:1")
    assert result["calls"] == [{"name": "put", "arguments": {"path": "a", "content": body}}]
    assert json.dumps(result["repairs"]) == "[]"
