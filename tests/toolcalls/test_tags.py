from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.tags import after_space, is_wrapper, tag_at


@pytest.mark.parametrize(
    ("text", "word", "rest", "closing", "void", "closed"),
    [
        ("<a>", "a", "", False, False, True),
        ("</a>", "a", "", True, False, True),
        ("< / a >", "a", "", True, False, True),
        ("<a/>", "a", "", False, True, True),
        ("<function=x y>", "function", "=x y", False, False, True),
        ('<invoke name="x" />', "invoke", ' name="x"', False, True, True),
        ("<a", "a", "", False, False, False),
        ("<a b\n", "a", " b", False, False, False),
        ("</a<b>", "a", "", True, False, False),
        ("＜／a＞", "a", "", True, False, True),
        ("<｜NS｜invoke>", "invoke", "", False, False, True),
        ("</｜NS｜invoke>", "invoke", "", True, False, True),
        ("<|tool_call|>", "tool_call", "", False, False, True),
    ],
)
def test_a_tag_is_read_as_written(text: str, word: str, rest: str, closing: bool, void: bool, closed: bool) -> None:
    """Blanks, slashes, a missing bracket, full-width brackets and a pipe namespace are seen for what they are."""
    tag = tag_at(text, 0)
    assert tag is not None
    assert (tag.word, tag.rest, tag.closing, tag.void, tag.closed) == (word, rest, closing, void, closed)


@pytest.mark.parametrize("text", ["", "a", "<", "<>", "< 1>", "<!-- -->", "<=", "</>"])
def test_what_is_no_tag(text: str) -> None:
    """A bracket without a word is none."""
    assert tag_at(text, 0) is None


def test_attributes_keep_their_values() -> None:
    """Single, double, curly and missing quotes are all read."""
    tag = tag_at("<a b=\"1\" c='2' d=“3” e=4>", 0)
    assert tag is not None
    assert tag.attributes() == {"b": "1", "c": "2", "d": "3", "e": "4"}


def test_a_function_tag_is_a_wrapper_only_without_a_name() -> None:
    """`<function>` around JSON says nothing; `<function=x>` is a head."""
    plain, named = tag_at("<function>", 0), tag_at("<function=x>", 0)
    assert plain is not None
    assert named is not None
    assert is_wrapper(plain)
    assert not is_wrapper(named)


def test_a_tag_without_end_costs_little() -> None:
    """A tag that never ends is given up after its longest length."""
    assert tag_at("<a " + " " * 100_000, 0) is None


def test_white_space_is_skipped() -> None:
    """The index is of the first other character, or the end."""
    assert after_space(" \n\tx", 0) == 3
    assert after_space("  ", 0) == 2
