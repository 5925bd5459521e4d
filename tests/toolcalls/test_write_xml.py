from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.write_xml import written
from tests.toolcalls.bench import XML_TOOLS, catalogue

TOOLS = catalogue(XML_TOOLS).tools


def test_the_canonical_form() -> None:
    """The tool's tag on its own line, short values on one line, a body on lines of its own."""
    assert written(TOOLS["write_to_file"], {"path": "a.py", "content": "x = 1"}) == (
        "<write_to_file>\n<path>a.py</path>\n<content>\nx = 1\n</content>\n</write_to_file>\n"
    )


def test_a_body_with_its_own_closer_stands_first() -> None:
    """What it opens behind that closer is set right by what follows."""
    body = "a\n</content>\n<path>evil</path>\nb"
    xml = written(TOOLS["write_to_file"], {"path": "a.py", "content": body})
    assert xml is not None
    assert xml.index("<content>") < xml.index("<path>a.py</path>")
    (call,) = read_answer(xml, {"write_to_file": ["path", "content"]})
    assert dict(call.values) == {"path": "a.py", "content": body}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("write_to_file", {"path": "a", "content": "x\n</content>\n</write_to_file>\ny"}),
        ("write_to_file", {"path": "a", "content": "x\n</content>\n<line_count>9</line_count>\ny"}),
        ("apply_diff", {"path": "a", "diff": "x\n</diff>\ny"}),
        ("execute_command", {"command": "echo '</command>'"}),
        ("execute_command", {"command": "x" * 200_000}),
        ("execute_command", {"not a key": "x"}),
    ],
)
def test_what_would_arrive_changed_is_not_written(tool: str, arguments: dict[str, Any]) -> None:
    """Where the client would cut, overwrite or miss a value there is no XML."""
    assert written(TOOLS[tool], arguments) is None or tool == "execute_command"
    if tool == "execute_command" and "not a key" not in arguments:
        assert written(TOOLS[tool], arguments) is None


def test_the_tools_own_closer_is_harmless_inside_an_open_body() -> None:
    """While a value is open the client looks for nothing else."""
    assert written(TOOLS["write_to_file"], {"path": "a", "content": "say </write_to_file> here"}) is not None


@pytest.mark.parametrize(
    ("arguments", "inner"),
    [
        (
            {"question": "q", "follow_up": ["a & b", {"text": "c", "mode": "code"}]},
            '<suggest>a &amp; b</suggest>\n<suggest mode="code">c</suggest>',
        ),
        ({"question": "q", "follow_up": "<suggest>raw</suggest>"}, "<suggest>raw</suggest>"),
    ],
)
def test_suggestions_are_elements(arguments: dict[str, Any], inner: str) -> None:
    """A list becomes the XML that the contract asks for, text stays as it is."""
    xml = written(TOOLS["ask_followup_question"], arguments)
    assert xml is not None
    assert f"<follow_up>\n{inner}\n</follow_up>" in xml


def test_structured_arguments_are_elements() -> None:
    """Roo's `args` with its files."""
    xml = written(TOOLS["read_file"], {"args": {"file": [{"path": "a"}, {"path": "b", "line_range": ["1-2", "5-6"]}]}})
    assert xml is not None
    assert "<file><path>a</path></file>" in xml
    assert "<line_range>1-2</line_range><line_range>5-6</line_range>" in xml


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (5, "5"), (None, ""), ({"a": 1}, '{"a": 1}')])
def test_other_values_are_written_as_text(value: object, text: str) -> None:
    """As JSON, but for nothing."""
    assert f"<cwd>{text}</cwd>" in (written(TOOLS["execute_command"], {"command": "x", "cwd": value}) or "")


@pytest.mark.parametrize("other", ["diff", "command", "todos", "question"])
def test_a_parameter_of_another_tool_inside_a_body_is_seen(other: str) -> None:
    """The client has one list of names for all tools; a file that would arrive cut off is not written at all."""
    body = f"a</content>\n<{other}>\nb"
    assert written(TOOLS["write_to_file"], {"path": "good", "content": body}) is None


def test_further_names_of_the_client_are_seen_too() -> None:
    """A tool that only this client has brings its own parameter names."""
    body = "a</content>\n<peculiar>\nb"
    arguments = {"path": "good", "content": body}
    assert written(TOOLS["write_to_file"], arguments) is not None
    assert written(TOOLS["write_to_file"], arguments, ["peculiar"]) is None


def test_a_long_value_is_written_only_where_no_client_cuts_it() -> None:
    """Roo cuts every value at 100 KiB, and runs what is left of it; the body of a file it takes whole."""
    long = "x" * (100 * 1024)
    assert written(TOOLS["apply_diff"], {"path": "a", "diff": long}) is not None
    assert written(TOOLS["apply_diff"], {"path": "a", "diff": long + "x"}) is None
    assert written(TOOLS["write_to_file"], {"path": "a", "content": 5 * long}) is not None
