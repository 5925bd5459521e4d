"""A token bucket: so many requests a minute, saved up for a minute at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 10_000
"""Buckets that are kept. Beyond that the full ones go first, which loses nothing, and then the oldest."""


@dataclass(frozen=True, slots=True)
class Level:
    """What one request left of its bucket. `wait` is 0 when it may go, otherwise the seconds until one may."""

    limit: int
    left: int
    full_in: float
    wait: float

    def headers(self) -> tuple[tuple[str, str], ...]:
        """As OpenAI tells its clients (its guide on rate limits)."""
        return (
            ("x-ratelimit-limit-requests", str(self.limit)),
            ("x-ratelimit-remaining-requests", str(self.left)),
            ("x-ratelimit-reset-requests", f"{self.full_in:.3f}s"),
        )


class Buckets:
    """A bucket for each name. `rate` is in requests a minute. Times are in seconds on a clock that never jumps."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}  # name → what was in it, and when

    def take(self, name: str, now: float) -> Level:
        """Take one request out of the bucket of `name`, if there is one in it."""
        inside = self._inside(name, now)
        wait = 0.0 if inside >= 1.0 else (1.0 - inside) * 60.0 / self._rate
        if not wait:
            inside -= 1.0
        self._buckets.pop(name, None)  # to the end: the oldest stand first
        self._buckets[name] = (inside, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._drop(lambda other: self._inside(other, now) >= self._rate)
        while len(self._buckets) > MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        return Level(self._rate, int(inside), (self._rate - inside) * 60.0 / self._rate, wait)

    def _inside(self, name: str, now: float) -> float:
        inside, since = self._buckets.get(name, (float(self._rate), now))
        return min(float(self._rate), inside + (now - since) * self._rate / 60.0)

    def _drop(self, useless: Callable[[str], bool]) -> None:
        for name in [name for name in self._buckets if useless(name)]:
            del self._buckets[name]
