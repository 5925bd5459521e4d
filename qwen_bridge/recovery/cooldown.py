"""Which Qwen sessions are left in peace, for how long, and who may try whether they are well again.

After a captcha each further request prolongs the punishment; people report 15 to 30 minutes (protocol notes, sections 5
and 6). After `RateLimited` asking is useless until the quota is back. So the session rests: its requests are answered
at once with what Qwen said last, and Qwen is not asked.

Qwen answers an expired session with `RateLimited` too, and a quota may come back before its time. A rest is therefore
not believed for all its hours: every `pause` seconds one request is let through. What it hears decides for the others.
Captcha ends as it says, but there too one request goes first.

Requests that were under way when a rest began say nothing about it: that they meet the same captcha is no second one,
and that Qwen finishes what it had begun to write does not mean that it would take another question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from qwen_bridge.errors import BridgeError, ChallengeRequired, QuotaExceeded

RESTS = (ChallengeRequired, QuotaExceeded)
"""What a session rests after."""

PROBE = 60.0
"""Seconds for which the others wait for the verdict of a request that was let through."""

SOON = 10.0
"""What the others are told to wait meanwhile, in seconds."""


class Ended(Protocol):
    """A request that is over: its name, how it ended (`complete`: it was answered), and every fault on the way."""

    request_id: str

    @property
    def failures(self) -> Sequence[BridgeError]:
        """Oldest first."""

    @property
    def outcome(self) -> str:
        """`complete`, or anything else."""


@dataclass(slots=True)
class _Rest:
    error: ChallengeRequired | QuotaExceeded
    until: float  # what Qwen, or experience with its firewall, says
    next_probe: float
    strikes: int
    moment: int  # when it began
    prober: str = ""  # the ticket that was let through last


class CoolDown:
    """Rests by session, which is any name for one set of credentials: new credentials are asked with at once.

    `pause` is in seconds: how long a session rests after a captcha (twice that from the second in a row), and between
    two trials of one without a quota; 0 for no rest at all. Times are on a clock that never jumps.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._rests: dict[str, _Rest] = {}
        self._asked: dict[str, int] = {}  # ticket → when it was let through last
        self._moment = 0

    @property
    def moment(self) -> int:
        """Now, in the order in which rests begin and tickets are let through."""
        return self._moment

    def check(self, session: str, ticket: str, now: float) -> None:
        """Raise what Qwen said last while the session rests; one ticket passes when it is time for a trial."""
        rest = self._rests.get(session)
        if rest is not None and ticket != rest.prober:
            if now < rest.next_probe:
                self._raise(rest, now)
            rest.prober, rest.next_probe = ticket, now + min(PROBE, self._pause)
        self._asked[ticket] = self._moment

    def look(self, session: str, now: float, ticket: str | None = None) -> None:
        """Raise as `check` does while there is nothing to try, and let nobody through: for those who cannot go yet."""
        rest = self._rests.get(session)
        if rest is not None and ticket != rest.prober and now < rest.next_probe:
            self._raise(rest, now)

    def struck(self, session: str, error: BridgeError, now: float, since: int | None = None) -> str:
        """Qwen has answered with `error` what was asked at the `moment` `since`, by default now.

        Returns what that means for the session, empty when it means nothing.
        """
        rest = self._rests.get(session)
        if rest is not None and self._repeats(rest, error, since):
            return ""
        seconds = self.foretell(session, error, now)
        if error.resting or not isinstance(error, RESTS) or seconds is None:
            return ""
        probe = min(seconds, self._pause) if isinstance(error, QuotaExceeded) else seconds
        self._moment += 1
        strikes = self._strikes(session, error)
        self._rests[session] = _Rest(error, now + seconds, now + probe, strikes, self._moment)
        return f"rests for {seconds:.0f} seconds ({error.code}): Qwen is not asked"

    def foretell(self, session: str, error: BridgeError, now: float, ticket: str = "") -> float | None:
        """For how many seconds the session will rest if this is what Qwen has answered a ticket; None when it will not.

        The client is told before the request is over and judged.
        """
        if not isinstance(error, RESTS) or not self._pause:
            return None
        rest = self._rests.get(session)
        if rest is not None and self._repeats(rest, error, self._asked.get(ticket)):
            return max(rest.until - now, SOON)
        if isinstance(error, QuotaExceeded):
            return error.retry_after or self._pause
        return self._pause * min(self._strikes(session, error), 2)

    def judge(self, session: str, request: Ended, now: float) -> str:
        """A request is over. Returns as `struck` does."""
        rest = self._rests.get(session)
        since = self._asked.pop(request.request_id, None)
        if request.outcome == "complete":
            if rest is None or _is_before(rest, since):
                return ""
            del self._rests[session]
            return "is well again"
        if rest is not None and rest.prober == request.request_id:
            rest.next_probe = now  # it said nothing about the session, unless a failure below did: another may try
        return next(filter(None, (self.struck(session, error, now, since) for error in request.failures)), "")

    def resting(self, now: float) -> dict[str, tuple[str, float]]:
        """Session → the code of its error and the seconds that are left, for people."""
        return {name: (rest.error.code, max(0.0, rest.until - now)) for name, rest in self._rests.items()}

    def _strikes(self, session: str, error: BridgeError) -> int:
        rest = self._rests.get(session)
        return rest.strikes + 1 if rest is not None and type(rest.error) is type(error) else 1

    def _repeats(self, rest: _Rest, error: BridgeError, since: int | None) -> bool:
        """Whether what was asked at `since` hears of nothing but what the session rests for already."""
        known = isinstance(rest.error, ChallengeRequired) or isinstance(error, type(rest.error))
        return known and _is_before(rest, since)

    def _raise(self, rest: _Rest, now: float) -> None:
        left = max(rest.until - now, SOON)
        error = type(rest.error)(f"{rest.error.message} (Qwen was not asked again.)", retry_after=left)
        error.resting = True
        raise error


def _is_before(rest: _Rest, since: int | None) -> bool:
    return since is not None and since < rest.moment
