"""The steps that the hot path is measured in do the bridge's real work."""

from __future__ import annotations

from tests.bench.hotpath import PIECE, Cost, answer_frames, delivered, measure, steps, table


def test_the_frames_are_an_answer() -> None:
    """The first frame opens it, and each of the others becomes one chunk with its words."""
    frames = answer_frames(4)
    assert len(frames) == 5
    assert delivered(frames).count(PIECE.encode()) == 4


def test_every_step_is_measured() -> None:
    """Each step gives one cost; which one is the larger is not for a test to say."""
    assert [cost.step for cost in measure(events=3, rounds=1)] == list(steps())


def test_costs_are_a_table() -> None:
    """A line for each step, in microseconds."""
    assert table([Cost("all of it", 8.549)]).splitlines()[-1] == "| all of it | 8.55 |"
