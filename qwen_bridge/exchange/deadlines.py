"""How long one request and its attempts may take, and when its client wants to hear that it is alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qwen_bridge.errors import QwenTimeout
from qwen_bridge.exchange.silence import Silence
from qwen_bridge.recovery.policy import RecoveryPolicy


@dataclass(frozen=True, slots=True)
class Terms:
    """What every exchange of one configuration keeps to.

    The silences are in seconds: Qwen's before its answer and within it, and ours to the client; `total` is for the
    whole request with its waits. `jitter` gives a number from 0 to 1 that spreads the waits of many clients. `unread`
    is how long a client may take nothing of what waits for it. `learning`: the session is learned from the user's
    browser, so nobody is told to copy cookies.
    """

    policy: RecoveryPolicy
    first_byte: float
    idle: float
    total: float
    keepalive: float
    jitter: Callable[[], float]
    unread: float = 120.0
    learning: bool = False


class Deadlines:
    """The clocks of one request, to the precision of the ticks that ask."""

    __slots__ = ("_pause", "_since", "_terms", "client", "qwen")

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._since: float | None = None  # the first tick
        self._pause = 0.0
        self.qwen = Silence()
        self.client = Silence()

    def attempt(self, pause: float) -> None:
        """Another attempt, `pause` seconds from now; until then Qwen is not even asked."""
        self.qwen.broken()
        self._pause = pause

    def held_back(self, unread: float) -> bool:
        """Whether a client has left its answer unread for too long; while it does, nobody's silence is counted.

        Nothing is read from Qwen meanwhile, and the client has more to read than it wants.
        """
        self.qwen.broken()
        self.client.broken()
        return unread >= self._terms.unread

    def passed(self, now: float, *, waiting: bool) -> QwenTimeout | None:
        """What has taken too long; `waiting`: Qwen has not sent its status."""
        self._since = now if self._since is None else self._since
        if now - self._since >= self._terms.total:
            return QwenTimeout(f"There was no whole answer within {self._terms.total:g} seconds. Ask for less at once.")
        limit = self._pause + self._terms.first_byte if waiting else self._terms.idle
        if self.qwen.seconds(now) >= limit:
            return QwenTimeout(f"Qwen said nothing for {limit:g} seconds. Try again.")
        return None

    def client_waits(self, now: float) -> bool:
        """Whether the client has heard nothing for too long."""
        return self.client.seconds(now) >= self._terms.keepalive
