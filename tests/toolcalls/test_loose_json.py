from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.toolcalls.loose_json import RELAXATIONS, Unreadable, may_go_on, read_json

ONE_EACH = [
    ("json.control_character", '{"a": "x\ny"}', {"a": "x\ny"}),
    ("json.trailing_comma", '{"a": 1,}', {"a": 1}),
    ("json.trailing_comma", '{"a": 1,, "b": 2}', {"a": 1, "b": 2}),
    ("json.missing_comma", '{"a": "x" "b": 2}', {"a": "x", "b": 2}),
    ("json.bad_escape", '{"a": "it\\\'s \\d+"}', {"a": "it's \\d+"}),
    ("json.single_quotes", "{'a': 'b'}", {"a": "b"}),
    ("json.unquoted_key", '{a: "b"}', {"a": "b"}),
    ("json.unquoted_value", '{"a": src/main.c}', {"a": "src/main.c"}),
    ("json.python_literal", '{"a": True, "b": None}', {"a": True, "b": None}),
    ("json.unescaped_quote", '{"a": "say "hi" now", "b": 1}', {"a": 'say "hi" now', "b": 1}),
    ("json.missing_brace", '{"a": {"b": 1}', {"a": {"b": 1}}),
]


@pytest.mark.parametrize(("name", "text", "value"), ONE_EACH)
def test_each_relaxation_mends_its_own_defect(name: str, text: str, value: object) -> None:
    """A defect is mended by the one relaxation made for it, which is named."""
    read = read_json(text)
    assert read.value == value
    assert read.repairs == (name,)


def test_every_relaxation_is_shown_here() -> None:
    """The registry and the examples have the same rows."""
    assert {name for name, _, _ in ONE_EACH} == set(RELAXATIONS)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x = {"k": 1, "b": "y"}"}',
        '{"a": ""x", "b": 1}',
        '{"a": "x"", "b": 1}',
        '{"a": "ls, "b": "y"}',
        '{"a": ls", "b": "y"}',
        '["say "hi" now"]',
        '{"a": 4.2.3}',
        '{"a": 1e999}',
        '{"a": NaN}',
        '{"a": "\\u00zz"}',
        '{"a" 1}',
        "{1: 2}",
        "",
        "[" * 100_000,
        '{"a": "open',
        "9" * 5000,
    ],
)
def test_a_text_with_two_readings_or_none_is_unreadable(text: str) -> None:
    """No value is chosen, guessed or cut."""
    with pytest.raises(Unreadable):
        read_json(text)


def test_an_open_end_is_told_from_nonsense() -> None:
    """Whether the text ended inside a value or is wrong matters to who reads on."""
    with pytest.raises(Unreadable) as cut:
        read_json('{"a": "b')
    with pytest.raises(Unreadable) as wrong:
        read_json('{"a": 4.2.3}')
    assert (cut.value.open_end, wrong.value.open_end) == (True, False)


def test_the_end_is_behind_the_value() -> None:
    """What follows the value is not looked at."""
    assert read_json('  {"a": 1} and more'[2:]).end == 8


def test_a_key_given_twice_is_noted() -> None:
    """The last one counts, and the reader is told, strictly read or not."""
    assert read_json('{"a": 1, "a": 2}').repeated_key
    assert read_json('{"a": 1, "a": 2,}').repeated_key


def test_missing_brackets_are_counted() -> None:
    """How many brackets were not closed decides whether the value is complete."""
    assert read_json('{"a": {"b": [1').missing == 3


@pytest.mark.parametrize("rest", ['" tail', '", "b": 1}}', ' x"}}</tool_call>', "\\n"])
def test_the_rest_of_a_string_shows(rest: str) -> None:
    """What looks like the rest of a string makes the end of the value doubtful."""
    assert may_go_on("{}" + rest, 2)


@pytest.mark.parametrize("rest", ["", "\n</tool_call>", "</tool_call> prose", ' {"a": "b"}}', ", {}"])
def test_what_may_follow_a_value_does_not_count_as_its_rest(rest: str) -> None:
    """Closers, prose and a further value leave no doubt."""
    assert not may_go_on("{}" + rest, 2)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_valid_json_is_read_as_it_is(value: object) -> None:
    """What needs no repair gets none."""
    text = json.dumps(value)
    read = read_json(text)
    assert (read.value, read.end, read.repairs) == (value, len(text), ())
