"""How long somebody has been silent, known to the precision of the ticks that ask."""

from __future__ import annotations


class Silence:
    """`broken` costs one store and happens per event; the clock is looked at by whoever calls `seconds`."""

    __slots__ = ("_broken", "_since")

    def __init__(self) -> None:
        self._since = 0.0
        self._broken = True

    def broken(self) -> None:
        """Something was said."""
        self._broken = True

    def seconds(self, now: float) -> float:
        """Seconds since the tick that first saw the last word; 0 when something was said since the last tick."""
        if self._broken:
            self._broken, self._since = False, now
        return now - self._since
