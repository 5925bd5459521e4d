from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls.cases import specs
from qwen_bridge.toolcalls.catalogue import Catalogue, fold
from tests.toolcalls.bench import TOOLS, catalogue, tool


@pytest.mark.parametrize(
    ("written", "name", "repair"),
    [
        ("shell", "shell", ""),
        ("Shell", "shell", "name.folded"),
        ("read-file", "read_file", "name.folded"),
        ("readFile", "read_file", "name.folded"),
        ('"read_file"', "read_file", "name.folded"),
        ("functions.shell", "shell", "name.prefix"),
        ("commit", "mcp__git__commit", "name.mcp_tail"),
        ("git.commit", "mcp__git__commit", "name.mcp_tail"),
    ],
)
def test_a_written_name_means_one_declared_tool(written: str, name: str, repair: str) -> None:
    """Exact, folded, without a prefix, or the tail of an MCP name: in this order, and the repair is named."""
    named = catalogue().resolve(written)
    assert named is not None
    assert (named.tool.name, named.repair) == (name, repair)


@pytest.mark.parametrize("written", ["shel", "shells", "run_shell", "", "git", "file"])
def test_a_name_is_never_guessed_by_likeness(written: str) -> None:
    """A name that is none of the declared ones means nothing."""
    assert catalogue().resolve(written) is None


def test_a_fold_or_tail_of_two_tools_means_neither() -> None:
    """Where two tools could be meant none is."""
    two = catalogue([tool("get_x"), tool("getX"), tool("a__send"), tool("b__send")])
    assert two.resolve("GET-X") is None
    assert two.resolve("send") is None


def test_a_user_alias_counts_for_declared_tools_only() -> None:
    """An alias of the settings leads to its tool if that is declared."""
    named = Catalogue(specs(TOOLS), aliases={"bash": "shell", "x": "gone"})
    assert named.resolve("bash") is not None
    assert named.resolve("x") is None


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("path", "path"),
        ("Path", "path"),
        ("file_path", "path"),
        ("filename", "path"),
        ("content", "content"),
        ("body", None),
    ],
)
def test_a_parameter_is_folded_inside_its_tool(written: str, key: str | None) -> None:
    """Case and separators do not matter, `file_path` stands for `path`, and an unknown key stays unknown."""
    assert catalogue().tools["put"].key(written) == key


def test_an_alias_needs_exactly_one_declared_word() -> None:
    """A tool that declares both words of an alias has no alias."""
    both = catalogue([tool("move", "path filename")]).tools["move"]
    assert both.key("file_path") is None


def test_only_listed_tools_are_harmless() -> None:
    """Reading is harmless, a tool nobody listed is not, and the user may add to the list."""
    assert catalogue().tools["read_file"].harmless
    assert not catalogue().tools["ping"].harmless
    assert Catalogue(specs(TOOLS), harmless=frozenset({"Ping"})).tools["ping"].harmless


def test_keys_name_a_harmless_tool_only() -> None:
    """A missing name is inferred from the keys for one harmless tool, never for a destructive one."""
    found = catalogue().by_keys(["path"])
    assert found is not None
    assert found.name == "read_file"
    assert catalogue().by_keys(["command"]) is None
    assert catalogue().by_keys([]) is None


def test_broken_schemas_do_not_break_a_tool() -> None:
    """A schema of the wrong shape counts as an empty one."""
    odd = catalogue([{"name": "odd", "parameters": {"properties": [], "required": "x"}}]).tools["odd"]
    assert odd.properties == {}
    assert odd.required == frozenset()
    assert odd.schema("x") == {}


def test_folding_ignores_case_separators_and_quotes() -> None:
    """Two names that differ in these alone are one."""
    assert fold(" `Read-File` ") == fold("read_file")


def test_an_unknown_key_is_one_that_the_schema_has_no_room_for() -> None:
    """A schema that says nothing of other keys has none; one that allows them, or declares more elsewhere, has."""
    properties: dict[str, Any] = {"a": {}, "fileName": {}}

    def unknown(**schema: Any) -> tuple[str, ...]:
        spec = ToolSpec("t", "", {"properties": properties, **schema})
        return Catalogue([spec]).tools["t"].unknown(["a", "b", "fileName"])

    assert unknown() == unknown(additionalProperties=False) == ("b",)
    assert unknown(additionalProperties=True) == unknown(additionalProperties={"type": "string"}) == ()
    assert unknown(patternProperties={"^b": {}}) == unknown(anyOf=[{}]) == unknown(properties={}) == ()
