from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.dialects import tool_tag
from tests.toolcalls.bench import catalogue


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("<shell>", ""),
        ('<shell command="ls">', "head.attributes"),
        ("<shell\n  <command>", "head.bracket_missing"),
        ("<Shell/>", ""),
    ],
)
def test_a_tools_own_tag_is_a_head(text: str, repair: str) -> None:
    """Also folded, with attributes, or without its bracket."""
    head = tool_tag.read(text, 0, catalogue())
    assert head is not None
    assert head.repair == repair


@pytest.mark.parametrize("text", ["<gone>", "</shell>", "<shell of pasta>", "<commit>", "shell"])
def test_other_tags_are_none(text: str) -> None:
    """Undeclared names, closers, prose, and the tail of a longer name."""
    assert tool_tag.read(text, 0, catalogue()) is None
