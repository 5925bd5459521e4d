from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.openers import read_opener
from tests.toolcalls.bench import catalogue

PUT = catalogue().tools["put"]
CLOSERS = frozenset({"function", "tool_call"})


@pytest.mark.parametrize(
    ("text", "key", "value", "repair"),
    [
        ("<parameter=path>a", "path", None, ""),
        ('<parameter name="path">a', "path", None, ""),
        ("<parameter = path >a", "path", None, ""),
        ("<parameter=Path>a", "path", None, "key.folded"),
        ("<parameter=other>a", "other", None, ""),
        ("<path>a", "path", None, ""),
        ("<path/>", "path", "", ""),
        ("<path=a>", "path", "a", "param.fused_value"),
        ("<parameter=path=a>", "path", "a", "param.fused_value"),
        ('<parameter=path value="a"/>', "path", "a", ""),
        ("<parameter=path\na", "path", None, "param.bracket_missing"),
        ("<parameter=patha</parameter>", "path", None, "param.fused_value"),
        ("<parameter>path</parameter>\na", "path", None, "param.nameless"),
        ("<parameter>path\na", "path", None, "param.nameless"),
        ("<parameter><name>path</name>a", "path", None, "param.nameless"),
        ("<arg_key>path</arg_key>\n<arg_value>a", "path", None, "param.arg_key"),
    ],
)
def test_an_opener_names_its_key(text: str, key: str, value: str | None, repair: str) -> None:
    """However the parameter is opened, the key is found, and a value in the tag with it."""
    opener = read_opener(text, 0, PUT, CLOSERS)
    assert opener is not None
    assert (opener.key, opener.value, opener.repair) == (key, value, repair)
    assert value is not None or text[opener.end :].lstrip("\n").startswith("a")


@pytest.mark.parametrize("text", ["<function>", "</path>", "<other>", "<parameter>", "text", "<parameter=>"])
def test_what_opens_no_parameter(text: str) -> None:
    """Closers, other tags and a parameter without a key open nothing."""
    assert read_opener(text, 0, PUT, CLOSERS) is None


def test_a_tool_without_a_schema_takes_any_tag() -> None:
    """Where nothing is declared every tag may be a parameter."""
    opener = read_opener("<anything>x", 0, catalogue().tools["ping"], CLOSERS)
    assert opener is not None
    assert not opener.declared


def test_behind_a_quote_that_lost_its_bracket_every_blank_is_the_values() -> None:
    """Only one mark between key and value is taken."""
    text = '<parameter name="content"    indented\n</parameter>'
    opened = read_opener(text, 0, catalogue().tools["put"], frozenset())
    assert opened is not None
    assert text[opened.end :].startswith("    indented")
