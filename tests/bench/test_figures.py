"""The bench's arithmetic."""

from __future__ import annotations

import pytest

from tests.bench.figures import Spread, percentile, ratio


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([7.0], 50, 7.0), ([7.0], 99, 7.0), ([1, 2, 3, 4], 50, 2), ([1, 2, 3, 4], 51, 3), (range(1, 101), 99, 99)],
)
def test_percentile_is_one_of_the_values(values: list[float], percent: float, expected: float) -> None:
    """The percentile is the smallest value that so many percent of the values do not exceed."""
    assert percentile(values, percent) == expected


def test_no_values_have_no_percentile() -> None:
    """An empty measurement is an error, not a zero."""
    with pytest.raises(ValueError):
        percentile([], 50)


def test_a_spread_holds_its_median() -> None:
    """One round out of line widens the spread and leaves the median."""
    assert Spread.of([1.0, 100.0, 2.0]) == Spread(2.0, 1.0, 100.0)


def test_ratios_are_taken_within_rounds() -> None:
    """A round in which everything took ten times as long changes no ratio."""
    assert ratio([2.0, 20.0, 2.2], [1.0, 10.0, 1.1]) == Spread(2.0, 2.0, 2.0)
