"""A clock that stands until a test moves it."""

from __future__ import annotations


class SetClock:
    """`ports.Clock`; `time` is what it shows, in seconds."""

    def __init__(self, time: float = 1_800_000_000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time
