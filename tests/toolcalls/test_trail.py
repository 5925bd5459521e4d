from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.events import TextDelta, ToolCallStarted
from qwen_bridge.toolcalls.cases import CountedIds, pieces, specs
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.trail import NEAR, Trail
from tests.toolcalls.bench import TOOLS, Answer, bare, catalogue, hermes, invoke, qwen_xml, tagged


def trail(*text: str, tools: Any = TOOLS) -> Trail:
    found = Trail(catalogue(tools))
    for piece in text:
        found.add(piece)
    return found


@pytest.mark.parametrize("text", ["<shell> ", "<command>echo '", "<parameter=x>\n", "<shell><command>x</command> "])
def test_a_call_stands_within_an_opener_that_nothing_closed(text: str) -> None:
    """That of a declared tool, of a parameter of one, or of a parameter at all; in one piece, and in pieces."""
    assert trail(text).within()
    assert trail(*text).within()


@pytest.mark.parametrize(
    "text", ["", "plain", "<div>", "<command/> ", "</command> ", "<command>x</command> ", "a < b > c"]
)
def test_a_call_stands_within_nothing_else(text: str) -> None:
    """Other markup, what is closed, and what closed itself open nothing."""
    assert not trail(text).within()


def test_what_opened_stays_open_until_its_closer_comes() -> None:
    """Also behind a call."""
    one = trail("<command>echo '")
    assert one.within()
    one.call()
    one.add(" and ")
    assert one.within()
    one.add("</command>")
    assert not one.within()
    assert one.take_dangling() == {"command"}


def test_every_tag_opens_where_a_tool_takes_any_parameter() -> None:
    """Nobody knows its parameters' names."""
    assert trail("<note>", tools=[*TOOLS, {"name": "free"}]).within()


def test_only_what_is_near_is_kept() -> None:
    """The memory is bounded, whatever the pieces."""
    far = "<command>" + "x" * 5 * NEAR
    assert trail(far).within() is trail(*[far[at : at + 7] for at in range(0, len(far), 7)]).within() is False


FORMS = [qwen_xml, tagged, invoke, hermes, bare]


@pytest.mark.parametrize("outer", ["<shxll>\n<command>\necho '{}'\n</command>\n</shxll>", "<command>\n{}\n</command>"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", ["read_file", "put"])
@pytest.mark.parametrize("cut", ["whole", "chars", "random:7"])
def test_a_call_that_a_broken_call_quotes_is_not_run(outer: str, form: Any, name: str, cut: str) -> None:
    """Harmless or not, and however the text is cut: its closers come behind the quoted call, and prove it."""
    quoted = form(name, {"path": "a", "content": "x"} if name == "put" else {"path": "a"})
    extractor = ToolCallExtractor(specs(TOOLS), "openai_tools", CountedIds())
    events = [event for piece in pieces(outer.replace("{}", quoted), cut) for event in extractor.feed(TextDelta(piece))]
    events += extractor.close()
    assert not [event for event in events if isinstance(event, ToolCallStarted)]


@pytest.mark.parametrize("before", ["I will look.\n\n", "<div>\n", "<path>x</path>\n", "It says `<command>`: "])
def test_a_harmless_call_behind_other_text_leaves_at_once(before: str) -> None:
    """Nothing stands open that it could be a part of."""
    answer = Answer(before + tagged("read_file", {"path": "a"}))
    assert any(isinstance(event, ToolCallStarted) for event in answer.before_end)


def test_a_mention_in_prose_only_makes_a_call_wait() -> None:
    """No closer came: what was opened was a word, and the call runs at the end."""
    answer = Answer(f"I will use <read_file> now.\n\n{tagged('read_file', {'path': 'a'})}")
    assert not any(isinstance(event, ToolCallStarted) for event in answer.before_end)
    assert answer.calls == [("read_file", {"path": "a"})]
