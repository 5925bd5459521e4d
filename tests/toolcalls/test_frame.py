from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.frame import Opening, nothing_follows, read_closing, read_opening

OWN = frozenset({"put"})


@pytest.mark.parametrize(
    ("text", "wrappers", "fenced", "named"),
    [
        ("X", 0, False, None),
        ("<tool_call>\nX", 1, False, None),
        ("<tool_calls>\n<tool_call>\nX", 2, False, None),
        ("**<tool_call>**\nX", 1, False, None),
        ("<tool_call>\n```json\nX", 1, True, None),
        ("<tool_call><![CDATA[X", 1, False, None),
        ('<tool_call name="put">X', 1, False, "put"),
        ("<tool_call=put>X", 1, False, "put"),
    ],
)
def test_what_stands_before_a_call_is_gone_over(text: str, wrappers: int, fenced: bool, named: str | None) -> None:
    """Wrappers, fences, CDATA and bold marks lead to the head."""
    opening = read_opening(text, 0)
    assert text[opening.end] == "X"
    assert (opening.wrappers, opening.wrapped, opening.fenced, opening.named) == (wrappers, wrappers > 0, fenced, named)


@pytest.mark.parametrize(
    ("text", "call", "wrapper", "rest"),
    [
        ("\n</function>\n</tool_call>\n more", True, True, "\n more"),
        ("</put> more", True, False, " more"),
        ("</tool_call>", True, True, ""),
        ("}\n</parameter>\n</function>tool> more", True, False, " more"),
        ("</think></tool_call>", True, True, ""),
        ("]]></tool_call>", True, True, ""),
        ("\n</b>", False, False, "\n</b>"),
        (" more", False, False, " more"),
        ("</function>\n</tool_c", True, False, ""),
    ],
)
def test_what_stands_behind_a_call_is_taken(text: str, call: bool, wrapper: bool, rest: str) -> None:
    """Closers of every kind are taken, and whether the call and its wrapper were closed is told."""
    closing = read_closing(text, 0, Opening(0, wrapped=True), OWN)
    assert (closing.call, closing.wrapper, text[closing.end :]) == (call, wrapper, rest)


def test_half_a_tag_at_the_end_is_nothing() -> None:
    """Blanks and the beginning of a tag do not count as text behind a call."""
    assert nothing_follows(" \n</fun", 0)
    assert nothing_follows("", 0)
    assert not nothing_follows(" more", 0)
