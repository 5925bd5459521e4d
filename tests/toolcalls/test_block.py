from __future__ import annotations

from qwen_bridge.toolcalls.block import read_block
from qwen_bridge.toolcalls.flaws import Flaw
from tests.toolcalls.bench import catalogue

PUT = catalogue().tools["put"]


def test_parameters_are_read_in_their_order_and_raw() -> None:
    """Values keep every character between their tags, and the block ends before the call's closer."""
    text = "\n<parameter=content>\n &lt; \n</parameter>\n<path>a</path>\n</function>"
    block = read_block(text, 0, PUT, wrapped=False)
    assert block.values == [("content", "\n &lt; \n"), ("path", "a")]
    assert text[block.end :] == "\n</function>"


def test_flaws_and_repairs_of_all_parameters_are_gathered() -> None:
    """Each value adds what was wrong with it."""
    block = read_block("<parameter>path</parameter>a</path>\n<parameter=content>x", 0, PUT, wrapped=False)
    assert block.flaws == {Flaw.VALUE_OPEN}
    assert block.repairs == ["param.nameless", "param.closer"]


def test_no_parameter_is_an_empty_block() -> None:
    """What begins with something else holds none."""
    assert read_block("text", 0, PUT, wrapped=False).values == []
