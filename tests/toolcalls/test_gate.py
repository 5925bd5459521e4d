from __future__ import annotations

import pytest

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.gate import Gate
from qwen_bridge.toolcalls.pieces import Kind, Passed
from tests.toolcalls.bench import catalogue, hermes

RUN = hermes("shell", {"command": "ls"})


def gate() -> Gate:
    return Gate(catalogue())


def text(passed: Passed, kind: Kind = Kind.TEXT) -> str:
    return "".join(piece.text for piece in passed.pieces if piece.kind is kind)


def test_text_goes_through_to_the_opener() -> None:
    """What stands before is let through, and everything from the opener on is given back."""
    passed = gate().feed(f"I will run it.\n{RUN} then")
    assert text(passed) == "I will run it.\n"
    assert passed.call == f"{RUN} then"


def test_a_start_of_an_opener_is_held_until_it_is_decided() -> None:
    """It leaves as text as soon as it is none."""
    one = gate()
    assert text(one.feed("a <tool_c")) == "a "
    assert text(one.feed("hest x")) == "<tool_chest x"


def test_what_is_held_comes_out_at_the_end() -> None:
    """A last feed lets the rest through."""
    one = gate()
    one.feed("a <too")
    assert text(one.feed("", final=True)) == "<too"


def test_strays_behind_a_call_are_dropped_and_elsewhere_noted() -> None:
    """Closers next to a call belong to it; later ones are remembered as dangling."""
    one = gate()
    one.resume()
    assert text(one.feed("\n</tool_call>\nand text </parameter> here")).strip() == "and text </parameter> here"
    assert one.trail.take_dangling() == {"parameter"}


@pytest.mark.parametrize("closer", ["</tool_call>", "＜／｜N｜tool_calls＞", "</|N|invoke>"])
def test_a_stray_closer_is_dropped_however_it_is_cut(closer: str) -> None:
    """It waits for its word, in a namespace too."""
    one = gate()
    one.resume()
    assert "".join(text(one.feed(character)) for character in f"\n{closer}\nwell").strip() == "well"


def test_closers_in_a_code_span_are_not_dangling() -> None:
    """Who writes about a tag closes nothing."""
    one = gate()
    one.resume()
    one.feed("I used `</parameter>` there.\n")
    assert one.trail.take_dangling() == frozenset()


def test_thinking_is_told_apart() -> None:
    """Text between thinking tags is thinking, the tags are gone, and a closing tag alone is dropped."""
    passed = gate().feed("<think>plan</think>Done. </think>End", final=True)
    assert (text(passed, Kind.THINKING), text(passed)) == ("plan", "Done. End")


def test_results_are_inert_until_they_close() -> None:
    """A call inside a block of results is text, one behind it is a call."""
    passed = gate().feed(f"<output>\n{RUN}\n</output>\n{RUN}")
    assert text(passed) == f"<output>\n{RUN}\n</output>\n"
    assert passed.call == RUN


@pytest.mark.parametrize("opener", ["<pre>", '<file path="a.md">', "<blockquote>", "<details open>"])
def test_what_is_quoted_is_inert_until_it_closes(opener: str) -> None:
    """A call in a quotation is text, before a call and behind one; behind the quotation calls count again."""
    quoted = f"{opener}\n{RUN}\n</{opener[1:-1].split()[0]}>\n"
    one = gate()
    passed = one.feed(f"The file:\n{quoted}{RUN}")
    assert (text(passed), passed.call) == (f"The file:\n{quoted}", RUN)
    one.resume()
    passed = one.feed(f"\n{quoted}{RUN}")
    assert (text(passed).strip(), passed.call) == (quoted.strip(), RUN)


def test_a_tool_may_have_the_name_of_a_quotation() -> None:
    """What is declared is called."""
    tools = Catalogue([ToolSpec("code", "", {"type": "object", "properties": {"text": {"type": "string"}}})])
    assert Gate(tools).feed("<code>\n<text>x</text>\n</code>").call is not None


def test_a_fence_with_a_call_is_given_whole() -> None:
    """The fence belongs to what is read."""
    passed = gate().feed('Now:\n```json\n{"name": "shell", "arguments": {"command": "ls"}}\n```')
    assert passed.fenced
    assert passed.call is not None
    assert passed.call.startswith("```json")


def test_an_opener_can_be_skipped() -> None:
    """What turned out to be no call is let through, mark by mark."""
    one = gate()
    passed = Passed()
    assert one.skip("<tool_call>x", passed) == "tool_call>x"
    assert text(passed) == "<"


def test_nothing_passes_behind_a_cut() -> None:
    """After it the gate is closed."""
    one = gate()
    one.cut()
    assert one.feed("text", final=True).pieces == []


def test_blanks_are_never_held() -> None:
    """However many there are, they leave at once, and a call behind them still begins a line."""
    one = gate()
    assert text(one.feed(" " * 10_000)) == " " * 10_000
    assert one.feed('{"name": "shell", "arguments": {').call is not None
