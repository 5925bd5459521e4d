"""A clock that stands until a test moves it, and ids that count: `qwen_bridge.ports` without chance."""

from __future__ import annotations


class FixedClock:
    """`ports.Clock`. `time` is what both clocks show, in seconds."""

    def __init__(self, time: float = 1_800_000_000.0) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class CountedIds:
    """`ports.IdSource`: the first id ends in 1, the second in 2, whatever their kind."""

    def __init__(self) -> None:
        self._count = 0

    def uuid(self) -> str:
        self._count += 1
        return f"00000000-0000-4000-8000-{self._count:012}"

    def token(self) -> str:
        self._count += 1
        return f"t{self._count:023}"
