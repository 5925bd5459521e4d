"""Which fault is worth another attempt, how often, and after how long.

The faults and what other clients do about them are in the protocol notes, section 5; the caps are those of gateways
that have to keep their word (Portkey caps the *sum* of the waits; LiteLLM has one retry loop only, which is why every
error that leaves here tells the SDK not to add its own).
"""

from __future__ import annotations

from dataclasses import dataclass

from qwen_bridge.errors import (
    AnswerCutOff,
    AnswerUnreadable,
    BridgeError,
    ChatBusy,
    ChatGone,
    ConnectionLost,
    EmptyAnswer,
    ParentRefused,
    QwenRefused,
    QwenUnreachable,
    TooManyStreams,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """What has happened to this request so far.

    `failures` counts the failed attempts including the present one, `same` those in a row with the present kind of
    fault. `waited` is the sum of the waits in seconds, `shown` whether the client has seen a word of the answer,
    `restarted` whether the whole history already went to a new chat.
    """

    failures: int
    same: int
    waited: float
    shown: bool
    restarted: bool


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again, at the same place, after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class RestartChat:
    """Send the whole original history to a new chat, at once."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the client."""

    error: BridgeError


type Decision = Retry | RestartChat | GiveUp


@dataclass(frozen=True, slots=True)
class Rule:
    """`retries` attempts at the same place, the first after `base` seconds and doubling; then, perhaps, a new chat."""

    retries: int
    base: float
    restart: bool = False


_NEVER = Rule(retries=0, base=0.0)

RULES: dict[type[BridgeError], Rule] = {
    # The node or the chat is gone: nothing will bring it back, and only the whole history can replace it.
    ParentRefused: Rule(retries=0, base=0.0, restart=True),
    ChatGone: Rule(retries=0, base=0.0, restart=True),
    # A stream of an earlier turn still runs there; it ends by itself or was stopped a moment ago (1 to 5 s seen).
    ChatBusy: Rule(retries=2, base=1.0, restart=True),
    TooManyStreams: Rule(retries=3, base=2.0),
    # The network. A request that was lost is asked again from the same parent: at worst a sibling nobody sees.
    QwenUnreachable: Rule(retries=3, base=0.25),
    ConnectionLost: Rule(retries=3, base=0.25),
    AnswerCutOff: Rule(retries=2, base=0.5),
    # "Internal error", an empty stream, bytes that are no protocol: once more, in case it was a moment's trouble.
    EmptyAnswer: Rule(retries=1, base=0.5),
    QwenRefused: Rule(retries=1, base=1.0),
    AnswerUnreadable: Rule(retries=1, base=0.5),
}
"""Faults without a row are told to the client at once: credentials, quota, captcha, rejected content, a timeout."""


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """The table with its limits: at most `attempts` attempts, and `patience` seconds of waiting in sum.

    `backoff` is a factor on the waits of the table; what Qwen itself demands is not touched by it.
    """

    attempts: int = 6
    patience: float = 60.0
    backoff: float = 1.0

    def decide(self, error: BridgeError, progress: Progress, jitter: float = 0.0) -> Decision:
        """What to do about `error`. `jitter`, from 0 to 1, lengthens a wait by up to a quarter of it."""
        rule = RULES.get(type(error), _NEVER)
        if progress.shown or progress.failures >= self.attempts:
            return GiveUp(error)
        if progress.same <= rule.retries:
            delay = self._delay(rule, error, progress, jitter)
            if progress.waited + delay <= self.patience:
                return Retry(delay)
        if rule.restart and not progress.restarted:
            return RestartChat()
        return GiveUp(error)

    def _delay(self, rule: Rule, error: BridgeError, progress: Progress, jitter: float) -> float:
        backoff = self.backoff * rule.base * 2.0 ** (progress.same - 1) * (1.0 + jitter / 4.0)
        return max(backoff, error.retry_after or 0.0)
