"""The attempts of one request that failed, and what was decided about each.

Nothing is counted beside the two lists: how long was waited, how often the same happened and whether the history went
to a new chat are read from them when the next decision is due, which is a few times in the life of a request.
"""

from __future__ import annotations

from collections.abc import Callable

from qwen_bridge.errors import BridgeError
from qwen_bridge.recovery.policy import Decision, Progress, RecoveryPolicy, RestartChat, Retry


class Trials:
    """`failures` and `decisions`, pair by pair, oldest first. `jitter` gives a number from 0 to 1."""

    __slots__ = ("_jitter", "_policy", "decisions", "failures")

    def __init__(self, policy: RecoveryPolicy, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self.failures: list[BridgeError] = []
        self.decisions: list[Decision] = []

    def failed(self, error: BridgeError, *, shown: bool, another_way: bool = False) -> Decision:
        """Note a failure, and what follows from it.

        `shown`: the client has seen a word of the answer. `another_way`: the same is to be asked in another way, at
        once, which is no matter of patience.
        """
        self.failures.append(error)
        decision = Retry(0.0) if another_way else self._policy.decide(error, self._progress(shown), self._jitter())
        self.decisions.append(decision)
        return decision

    def _progress(self, shown: bool) -> Progress:
        last = type(self.failures[-1])
        others = (index for index, earlier in enumerate(reversed(self.failures)) if type(earlier) is not last)
        return Progress(
            failures=len(self.failures),
            same=next(others, len(self.failures)),
            waited=sum(decision.delay for decision in self.decisions if isinstance(decision, Retry)),
            shown=shown,
            restarted=any(isinstance(decision, RestartChat) for decision in self.decisions),
        )
