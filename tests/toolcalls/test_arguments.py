from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.toolcalls.arguments import bare, ends_in_body, from_json, from_markup, from_text, kinds, typed
from qwen_bridge.toolcalls.flaws import Flaw
from tests.toolcalls.bench import catalogue, tool

LIST = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("null", {"type": "string"}, "null"),
        ("42", {"type": "string"}, "42"),
        ('{"a": 1}', {"type": "string"}, '{"a": 1}'),
        ("42", {}, "42"),
        ("42", {"type": "integer"}, 42),
        ("3.0", {"type": "integer"}, 3),
        ("0.5", {"type": "number"}, 0.5),
        ("1e400", {"type": "number"}, "1e400"),
        ("4.2.3", {"type": "number"}, "4.2.3"),
        ("three", {"type": "integer"}, "three"),
        (" True ", {"type": "boolean"}, True),
        ("yes", {"type": "boolean"}, "yes"),
        ("null", {"type": ["string", "null"]}, None),
        ("null", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ("null", {"type": "integer", "nullable": True}, None),
        ("5", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "5"),
        ('["a"]', LIST, ["a"]),
        ("['a', True]", {"type": "array"}, ["a", True]),
        ("[1, 2", LIST, "[1, 2"),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ('["a"]', {"type": "object"}, '["a"]'),
        ("\"{'k': 1}\"", {"type": "object"}, {"k": 1}),
        ("<item>a</item><item>b</item>", LIST, ["a", "b"]),
        ("2", {"type": "int"}, 2),
        ("2", {"enum": [1, 2]}, 2),
    ],
)
def test_the_schema_alone_decides_the_type(text: str, schema: dict[str, Any], value: object) -> None:
    """A text becomes what the schema allows and it is; else it is passed on as it is."""
    assert typed(text, schema) == value
    assert type(typed(text, schema)) is type(value)


def test_exactly_one_newline_is_taken_off_each_end() -> None:
    """The delimiter newlines go, whatever else stands at the ends stays, and CRLF counts as one."""
    assert bare("content", "\n\n x \n\n", []) == "\n x \n"
    assert bare("content", "\r\nx\r\n", []) == "x"


def test_cdata_goes_only_where_it_is_the_whole_value() -> None:
    """CDATA that spans the value is a delimiter, any other is data."""
    repairs: list[str] = []
    assert bare("content", "<![CDATA[a < b]]>", repairs) == "a < b"
    assert repairs == ["value.cdata"]
    assert bare("content", "x <![CDATA[a]]>", []) == "x <![CDATA[a]]>"
    assert bare("content", "<![CDATA[a]]> <![CDATA[b]]>", []) == "<![CDATA[a]]> <![CDATA[b]]>"


def test_a_value_tag_goes_but_never_in_a_body() -> None:
    """A wrapper around a short value is dropped; a body may be XML."""
    assert bare("path", "<value>a</value>", []) == "a"
    assert bare("content", "<value>a</value>", []) == "<value>a</value>"


def test_entities_stay() -> None:
    """Nothing in a value is decoded."""
    assert bare("content", "&lt;b&gt;", []) == "&lt;b&gt;"


def test_a_parameter_given_twice() -> None:
    """A list collects; of a short value the last counts, and that there were two is reported, as a body is."""
    commit = catalogue().tools["mcp__git__commit"]
    assert from_text(commit, [("files", "a"), ("files", "b")])[0] == {"files": ["a", "b"]}
    put = catalogue().tools["put"]
    twice = from_text(put, [("path", "a"), ("path", "b")])
    assert twice == ({"path": "b"}, ["param.repeated_last"], {Flaw.TWO_VALUES})
    assert from_text(put, [("path", "a"), ("path", "a\n")])[2] == set()
    assert from_text(put, [("content", "a"), ("content", "b")])[2] == {Flaw.REPEATED}


NULLABLE: dict[str, dict[str, Any]] = {
    "a list of types": {"type": ["string", "null"]},
    "a union": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "nullable": {"type": "string", "nullable": True},
}


@pytest.mark.parametrize("schema", NULLABLE.values(), ids=NULLABLE)
def test_an_optional_null_may_be_text(schema: dict[str, Any]) -> None:
    """The word null is nothing where something had to be written, and doubtful where nothing had to be."""
    optional = catalogue([tool("t", "", "a", a=schema)]).tools["t"]
    required = catalogue([tool("t", "a", "", a=schema)]).tools["t"]
    by_default = catalogue([tool("t", "", "a", a={**schema, "default": None})]).tools["t"]
    assert from_text(optional, [("a", "\nnull\n")])[2] == {Flaw.NULL_OR_TEXT}
    assert from_text(required, [("a", "null")]) == ({"a": None}, [], set())
    assert from_text(by_default, [("a", "null")]) == ({"a": None}, [], set())
    assert from_text(optional, [("a", "nullable")]) == ({"a": "nullable"}, [], set())
    assert from_json(optional, {"a": None}) == ({"a": None}, [], set())


def test_a_null_that_can_be_no_text_is_nothing() -> None:
    """Where no text is allowed, or none of the listed ones is the word, there is one reading."""
    for schema in ({"type": ["integer", "null"]}, {"type": ["string", "null"], "enum": ["on", "off", None]}):
        assert from_text(catalogue([tool("t", "", "a", a=schema)]).tools["t"], [("a", "null")])[2] == set()


def test_json_of_the_wrong_type_is_fitted_where_that_is_certain() -> None:
    """A number or a list as text, and one item for a list, become what they are; anything else is passed on."""
    shell = catalogue().tools["shell"]
    assert from_json(shell, {"timeout": "5", "env": '{"A": "1"}', "command": 3})[0] == {
        "timeout": 5,
        "env": {"A": "1"},
        "command": 3,
    }
    assert from_json(catalogue().tools["mcp__git__commit"], {"files": "a"})[0] == {"files": ["a"]}


def test_keys_that_fold_to_one_are_reported() -> None:
    """Two spellings of one parameter in one call are a repetition."""
    assert from_json(catalogue().tools["put"], {"path": "a", "Path": "b"})[2] == {Flaw.REPEATED}
    assert from_json(catalogue().tools["put"], {"path": "a", "Path": "a"})[2] == set()


def test_markup_is_parsed_only_where_it_is_well_formed() -> None:
    """A structure in XML is read strictly, or not at all, and no entity is resolved."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    assert from_markup("<n>1</n><m>x</m>", schema) == {"n": 1, "m": "x"}
    assert from_markup("<file><path>a</path></file><file><path>b</path></file>", schema) == {
        "file": [{"path": "a"}, {"path": "b"}]
    }
    assert from_markup("<n>1", schema) is None
    assert from_markup("words <n>1</n>", schema) is None


def test_unions_are_gathered() -> None:
    """All branches of a union count, and a schema without a type allows anything."""
    assert kinds({"anyOf": [{"type": "string"}, {"oneOf": [{"type": "null"}]}]}) == {"string", "null"}
    assert kinds({}) == frozenset()


def test_a_call_ends_in_a_body_if_its_last_value_is_one() -> None:
    """A file, or text of several lines, may go on behind what looks like its closer."""
    assert ends_in_body({"path": "a", "content": "x"})
    assert ends_in_body({"command": "a\nb"})
    assert not ends_in_body({"content": "x", "path": "a"})
    assert not ends_in_body({})


def test_an_undeclared_key_is_kept() -> None:
    """What the schema does not name is passed on."""
    assert from_json(catalogue([tool("t", "a")]).tools["t"], {"a": "1", "b": 2})[0] == {"a": "1", "b": 2}
