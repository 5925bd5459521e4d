"""The bounds all stores share."""

from __future__ import annotations

import pytest

from qwen_bridge.store.limits import checked, slack


@pytest.mark.parametrize(("bound", "room"), [(1, 1), (19, 1), (40, 2), (100_000, 5_000)])
def test_slack(bound: int, room: int) -> None:
    """A twentieth is let go at once, one at least."""
    assert slack(bound) == room


def test_checked() -> None:
    """A bound that leaves room passes through, others are refused."""
    assert checked(1) == 1
    with pytest.raises(ValueError):
        checked(0)
