from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.toolcalls.place import Code, Place


def place(text: str) -> Place:
    found = Place()
    found.feed(text)
    return found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain ", Code.PROSE),
        ("a `b", Code.SPAN),
        ("a `b` c", Code.PROSE),
        ("a ``b ` c", Code.SPAN),
        ("a `b\nc", Code.SPAN),
        ("a `b\n\nc", Code.PROSE),
        ("```py\nx", Code.FENCE),
        ("```py\nx\n```\ny", Code.PROSE),
        ("~~~\nx", Code.FENCE),
        ("````\n```\nx", Code.FENCE),
        ("> ```\n> x", Code.FENCE),
        ("- ```\nx", Code.FENCE),
        ("<!-- x", Code.COMMENT),
        ("<!-- x --> y", Code.PROSE),
        ("`<!-- x", Code.SPAN),
    ],
)
def test_the_sort_of_text_is_known(text: str, code: Code) -> None:
    """Spans, fences and comments are followed over lines."""
    assert place(text).code is code


@pytest.mark.parametrize("text", ["> quoted ", "// comment ", "`x", "```\n"])
def test_a_marker_in_code_or_in_a_quotation_is_inert(text: str) -> None:
    """There nothing is a call."""
    assert place(text).inert


@pytest.mark.parametrize("text", ["", "text ", "a > b ", "http://x "])
def test_a_marker_in_prose_is_not(text: str) -> None:
    """Only the start of the line makes a quotation."""
    assert not place(text).inert


@pytest.mark.parametrize("text", ["For example: ", "The format is:\n\n", "such as ", "例如："])
def test_words_introduce_an_example(text: str) -> None:
    """They count on the same line, and on the line before if that ends with a colon."""
    assert place(text).introduced


@pytest.mark.parametrize("text", ["", "I read it.\n", "An example follows. Now: ", "The format is known.\n"])
def test_other_words_do_not(text: str) -> None:
    """An earlier sentence introduces nothing."""
    assert not place(text).introduced


def test_an_example_lasts_until_a_blank_line() -> None:
    """Behind it calls count again."""
    found = place("")
    found.example = True
    found.feed("x\ny")
    assert found.inert
    found.feed("\n\n")
    assert not found.inert


PIECES = st.sampled_from(["a", " ", "\n", "`", "``", "```", "~~~", "<!--", "-->", "> ", "example:"])


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_cutting_between_marks_changes_nothing(pieces: list[str]) -> None:
    """The state after many pieces is the state after all of them at once, where no run of backticks is cut."""
    if any(first[-1:] == second[:1] == "`" for first, second in pairwise(pieces)):
        return
    cut = Place()
    for piece in pieces:
        cut.feed(piece)
    whole = place("".join(pieces))
    assert (cut.code, cut.inert, cut.introduced, cut.at_line_start) == (
        whole.code,
        whole.inert,
        whole.introduced,
        whole.at_line_start,
    )
