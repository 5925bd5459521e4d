from __future__ import annotations

import re

from qwen_bridge.toolcalls.dialects.head import name_pattern, names_of
from tests.toolcalls.bench import catalogue, tool


def test_the_longest_declared_name_is_tried_first() -> None:
    """A name that begins with another is not cut short."""
    names = names_of(catalogue([tool("read"), tool("read_file")]))
    found = re.match(name_pattern(names, generic=False), "read_file>")
    assert found is not None
    assert found.group() == "read_file"
    assert re.match(name_pattern(names, generic=False), "reader") is None


def test_a_generic_pattern_reads_unknown_names() -> None:
    """They must be known to be withheld."""
    assert re.match(name_pattern((), generic=True), "mcp.x:y/z") is not None
    assert re.match(name_pattern((), generic=False), "x") is None
