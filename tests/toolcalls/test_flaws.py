from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw, same
from qwen_bridge.toolcalls.policy import TABLE


def test_every_flaw_has_a_row_in_the_policy() -> None:
    """No defect of structure is without a decision."""
    assert set(TABLE) == set(Flaw)


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), ("1", 1), ([1], [True]), ({"a": 1}, {"a": 2})])
def test_two_values_are_told_apart(one: object, other: object) -> None:
    """Equal in Python is not yet one value."""
    assert not same(one, other)
    assert same(one, one)
