"""The facts of client-parsers.md 3, row by row."""

from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.client_reader import MAX_VALUE, read_answer

TOOLS = {"read_file": ["path"], "write_to_file": ["path", "content"], "apply_diff": ["path", "diff"]}


def first(text: str) -> tuple[str, dict[str, str], bool]:
    call = read_answer(text, TOOLS)[0]
    return call.name, dict(call.values), call.finished


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (
            "<write_to_file>\n<path>a</path>\n<content>\nx\n</write_to_file>",
            {"path": "a", "content": "x\n</write_to_file>"},
        ),
        (
            "<write_to_file>\n<path>a\n<content>x</content>\n</write_to_file>",
            {"path": "a\n<content>x</content>\n</write_to_file>"},
        ),
        (
            "<write_to_file>\n<path>a</path>\n<content>\nb\n</content>\n<path>evil</path>\nc\n</content>\n</write_to_file>",
            {"path": "evil", "content": "b\n</content>\n<path>evil</path>\nc"},
        ),
        (
            "<write_to_file>\n<content>\nb\n</content>\n<path>evil</path>\nc\n</content>\n<path>a</path>\n</write_to_file>",
            {"content": "b\n</content>\n<path>evil</path>\nc", "path": "a"},
        ),
        ("<apply_diff>\n<path>a</path>\n<diff>\nx\n</diff>\ny\n</diff>\n</apply_diff>", {"path": "a", "diff": "x"}),
    ],
)
def test_what_a_client_makes_of_hostile_input(text: str, values: dict[str, str]) -> None:
    """Missing closers swallow, decoys overwrite, and only the body may hold its own closer."""
    assert first(text)[1] == values


def test_a_mention_and_an_example_run() -> None:
    """A tag in a sentence is an empty call, and a fence does not protect anything."""
    assert first("Use <read_file> for it.")[1:] == ({}, False)
    assert first("```\n<read_file><path>a</path></read_file>\n```") == ("read_file", {"path": "a"}, True)


@pytest.mark.parametrize(
    "text", ["&lt;read_file>", "<\u200bread_file>", "<read_file >", '<read_file a="1">', "<read_file/>"]
)
def test_only_the_exact_tag_counts(text: str) -> None:
    """Entities, a zero-width character, blanks and attributes make it text."""
    assert read_answer(text, TOOLS) == []


def test_the_body_loses_one_newline_and_the_rest_is_trimmed() -> None:
    """Roo trims everything but the body."""
    text = "<write_to_file><path> a </path><content>\n\n x \n\n</content></write_to_file>"
    assert first(text)[1] == {"path": "a", "content": "\n x \n"}


def test_a_long_value_is_cut_and_a_long_body_is_not() -> None:
    """At 100 KiB, without a word."""
    long = "x" * (MAX_VALUE + 1)
    assert len(first(f"<apply_diff><diff>{long}</diff></apply_diff>")[1]["diff"]) == MAX_VALUE
    assert first(f"<write_to_file><content>{long}</content></write_to_file>")[1]["content"] == long


def test_several_tools_are_read() -> None:
    """One behind the other."""
    assert [call.name for call in read_answer("<read_file></read_file> x <apply_diff></apply_diff>", TOOLS)] == [
        "read_file",
        "apply_diff",
    ]
