"""Numbers out of rounds: percentiles, medians with their spread, ratios within a round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, and the least and the most that one of them gave."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises `ValueError` for no values at all."""
        return cls(statistics.median(values), min(values), max(values))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed (nearest rank); `ordered` is sorted.

    Always one of the values: a delay between two real ones has happened to nobody. Raises `ValueError` for no values.
    """
    if not ordered:
        raise ValueError("no values, no percentile")
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def ratio(of: Sequence[float], to: Sequence[float]) -> Spread:
    """Each round's value against the other's of the same round: what slows a whole round down cancels out."""
    return Spread.of([ours / theirs for ours, theirs in zip(of, to, strict=True)])
