from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from qwen_bridge.simulator.plan import Plan


def test_an_empty_plan_is_a_finished_empty_answer() -> None:
    """Without a word said, a plan is an answer that says nothing, in the usual phase, and ends well."""
    plan = Plan()
    assert (plan.text, plan.reasoning, plan.phase, plan.finish, plan.rival) == ("", "", "answer", True, None)


def test_a_plan_does_not_change() -> None:
    """A plan is a value: faults make new ones."""
    with pytest.raises(FrozenInstanceError):
        Plan().text = "other"  # type: ignore[misc]  # that it cannot be done is the point
