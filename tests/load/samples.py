"""What a process holds over time: samples of its memory and open files, and whether they grow."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

MEBI = 2**20


@dataclass
class Samples:
    """`times` in seconds from the beginning, `values` at those times."""

    times: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, time: float, value: float) -> None:
        self.times.append(time)
        self.values.append(value)

    def between(self, start: float, end: float) -> float:
        """The median of the samples in a stretch of time. Raises `ValueError` when there is none."""
        within = [value for time, value in zip(self.times, self.values, strict=True) if start <= time <= end]
        if not within:
            raise ValueError(f"no sample between {start:g} and {end:g} seconds")
        return statistics.median(within)

    def slope(self, start: float) -> float:
        """Growth per minute after `start`, by the median of the slopes between samples far apart (Theil and Sen).

        A straight line through all of them would follow a single leap at either end.
        """
        late = [(time, value) for time, value in zip(self.times, self.values, strict=True) if time >= start]
        half = len(late) // 2
        slopes = [
            (after[1] - before[1]) / (after[0] - before[0])
            for before, after in zip(late[:half], late[len(late) - half :], strict=True)
            if after[0] > before[0]
        ]
        return 60.0 * statistics.median(slopes) if slopes else 0.0


def drift(samples: Samples, warm: float, stretch: float) -> tuple[float, float]:
    """The median of the first stretch after `warm` seconds, and of the last stretch."""
    end = samples.times[-1]
    return samples.between(warm, warm + stretch), samples.between(end - stretch, end)


def mebi(values: Sequence[float]) -> str:
    return " → ".join(f"{value / MEBI:.1f}" for value in values) + " MiB"
