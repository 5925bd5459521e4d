from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.boundaries import Boundaries, Next
from qwen_bridge.toolcalls.openers import Opener
from tests.toolcalls.bench import catalogue

CONTENT = Opener("content", True, 0, 0)


def after(text: str, *, wrapped: bool = True, given: tuple[str, ...] = ()) -> Next:
    bounds = Boundaries(text, catalogue().tools["write_file"], wrapped=wrapped, closers=frozenset())
    bounds.given.extend(given)
    return bounds.after(0, CONTENT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Next.TEXT_END),
        ("\n<parameter=path>", Next.PARAMETER),
        ("\n</function>\n</tool_call>", Next.CALL_END),
        ("\n</function>", Next.CALL_END),
        ("\n</tool_call>", Next.CALL_END),
        ("\n<tool_call>", Next.CALL_END),
        ("\n</function>\nand so on", Next.CALL_END_THEN_TEXT),
        ("\n</parameter>\n</function>", Next.SAME_CLOSER),
        ("\n</parameters>\n</function>", Next.CALL_END),
        ("\n}\n</tool_call>", Next.CALL_END),
        (" and so on", Next.DATA),
        ("\n<b>", Next.DATA),
        ("\n<parameter=content>", Next.DATA),
    ],
)
def test_what_stands_behind_a_closer(text: str, expected: Next) -> None:
    """Only a new declared parameter, the close of the call, or the end is a boundary."""
    assert after(text) is expected


def test_a_parameter_that_was_given_is_no_boundary() -> None:
    """A second opener of a body or behind a long value is data; a short value may come again."""
    assert after("\n<parameter=path>", given=("path",)) is Next.DATA


def test_an_undeclared_parameter_is_one_only_if_it_closes_cleanly() -> None:
    """A parameter of another tool inside a body has data behind its closer."""
    assert after("\n<parameter=new>\nx\n</parameter>\n</function>\n</tool_call>") is Next.PARAMETER
    assert after('\n<parameter=new>\nx\n</parameter>\n"""') is Next.DATA


def test_without_a_wrapper_the_function_closer_is_enough() -> None:
    """Text behind it is prose."""
    assert after("\n</function>\nand so on", wrapped=False) is Next.CALL_END
