from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.dialects import named
from tests.toolcalls.bench import catalogue, tool


@pytest.mark.parametrize(
    ("text", "dialect", "repair"),
    [
        ("<function=shell>\n", "qwen3_coder_xml", ""),
        ('<function="shell">\n', "qwen3_coder_xml", "head.drift"),
        ('<function name="shell">\n', "qwen3_coder_xml", "head.drift"),
        ("<function shell>\n", "qwen3_coder_xml", "head.drift"),
        ("<funcname>shell\n<", "qwen3_coder_xml", "head.drift"),
        ("<function=\nshell\n>\n", "qwen3_coder_xml", "head.drift"),
        ('<invoke name="shell">\n', "invoke_xml", ""),
        ("<invoke_name>shell</invoke_name>\n", "invoke_xml", "head.drift"),
        ('{"function=shell>\n', "mixed", "head.drift"),
        ("function=shell>\n", "qwen3_coder_xml", "head.drift"),
    ],
)
def test_a_word_that_announces_a_name(text: str, dialect: str, repair: str) -> None:
    """Whatever stands between the word and the name, the name is read."""
    head = named.read(text, 0, catalogue())
    assert head is not None
    assert (head.written, head.dialect, head.repair) == ("shell", dialect, repair)


@pytest.mark.parametrize(
    "text", ["<functional=shell>", "function shell", "<b>shell</b>", "</function=shell>", "name: shell"]
)
def test_other_words_announce_none(text: str) -> None:
    """Without `<` there must be a `=`."""
    assert named.read(text, 0, catalogue()) is None


def test_attributes_and_a_closed_tag_are_noted() -> None:
    """Arguments inside the tag, and a tag that closes itself."""
    head = named.read('<function=shell command="ls"/>', 0, catalogue())
    assert head is not None
    assert (head.attributes, head.void) == ({"command": "ls"}, True)


def test_a_declared_name_may_hold_blanks() -> None:
    """The longest declared name is tried first."""
    odd = catalogue([tool("get current"), tool("get current time")])
    head = named.read("<function=get current time>", 0, odd)
    assert head is not None
    assert head.written == "get current time"
