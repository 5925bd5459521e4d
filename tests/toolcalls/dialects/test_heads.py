from __future__ import annotations

from qwen_bridge.toolcalls.dialects.heads import HEADS, WRAPPED_HEADS, read_head
from tests.toolcalls.bench import catalogue


def test_a_declared_tool_goes_before_an_unknown_one() -> None:
    """The first reader that names a declared tool counts, else the first that names any."""
    declared = read_head("<parameter=shell>\n<parameter=command>", 0, catalogue(), wrapped=False)
    unknown = read_head("<function=gone>\n<", 0, catalogue(), wrapped=False)
    assert declared is not None
    assert unknown is not None
    assert (declared.written, unknown.written) == ("shell", "gone")


def test_a_bare_name_counts_in_a_wrapper_only() -> None:
    """Outside it is a word."""
    assert read_head("shell\n<", 0, catalogue(), wrapped=False) is None
    assert read_head("shell\n<", 0, catalogue(), wrapped=True) is not None


def test_a_wrapper_adds_readers_and_drops_none() -> None:
    """All heads count in it."""
    assert set(HEADS) < set(WRAPPED_HEADS)
