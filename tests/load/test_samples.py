from __future__ import annotations

import pytest

from tests.load.samples import Samples, drift


def sampled(values: list[float]) -> Samples:
    made = Samples()
    for second, value in enumerate(values):
        made.add(float(second), value)
    return made


def test_growth_is_seen() -> None:
    """A byte more every second is sixty a minute, and the last stretch lies above the first."""
    samples = sampled([float(second) for second in range(100)])
    assert samples.slope(10.0) == pytest.approx(60.0)
    assert drift(samples, 10.0, 20.0) == (20.0, 89.0)


def test_a_leap_is_no_slope() -> None:
    """What moves once and then stands still does not grow."""
    assert sampled([5.0] * 5 + [9.0] * 95).slope(0.0) == 0.0


def test_no_sample_is_no_figure() -> None:
    """A stretch without samples raises rather than to say that all is well."""
    with pytest.raises(ValueError, match="no sample"):
        sampled([1.0]).between(5.0, 6.0)
