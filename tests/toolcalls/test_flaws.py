from __future__ import annotations

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.policy import TABLE


def test_every_flaw_has_a_row_in_the_policy() -> None:
    """No defect of structure is without a decision."""
    assert set(TABLE) == set(Flaw)
