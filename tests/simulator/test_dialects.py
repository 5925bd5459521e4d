from __future__ import annotations

import json

import pytest

from qwen_bridge.simulator.dialects import DIALECTS, write_call

ARGUMENTS = {"path": "a/ü.txt", "lines": [1, 2]}
JSON = '{"name": "read_file", "arguments": {"path": "a/ü.txt", "lines": [1, 2]}}'


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("hermes", f"<tool_call>\n{JSON}\n</tool_call>"),
        (
            "qwen_xml",
            "<tool_call>\n<function=read_file>\n<parameter=path>\na/ü.txt\n</parameter>\n"
            "<parameter=lines>\n[1, 2]\n</parameter>\n</function>\n</tool_call>",
        ),
        ("roo_xml", "<read_file>\n<path>a/ü.txt</path>\n<lines>[1, 2]</lines>\n</read_file>"),
        ("json_fence", f"```json\n{JSON}\n```"),
        ("bare_json", JSON),
    ],
)
def test_a_call_in_its_dialect(dialect: str, text: str) -> None:
    """Each dialect writes a call as the models are known to write it."""
    assert write_call(dialect, "read_file", ARGUMENTS) == text


def test_a_file_in_roos_dialect_stands_on_lines_of_its_own() -> None:
    """The two line ends beside the tags belong to the tags: a file keeps its own."""
    assert write_call("roo_xml", "w", {"content": "a\nb\n"}) == "<w>\n<content>\na\nb\n\n</content>\n</w>"


def test_every_dialect_can_say_a_call_without_arguments() -> None:
    """A call needs no arguments in any dialect."""
    assert all("ping" in write_call(dialect, "ping", {}) for dialect in DIALECTS)
    assert json.loads(write_call("bare_json", "ping", {})) == {"name": "ping", "arguments": {}}


def test_an_unknown_dialect_is_an_error() -> None:
    """There is no silent fallback for a dialect that is not a row."""
    with pytest.raises(KeyError):
        write_call("klingon", "ping", {})
