"""Answers that are told again to the same request: the part of `bridge` that keeps them, where the settings want it.

Only what begins a conversation is answered from memory. What continues one is always Qwen's to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from qwen_bridge.exchange.answer_cache import AnswerCache, KeptAnswer, cache_key
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.replay import Overheard, Replay, is_opening
from qwen_bridge.ports import Clock
from qwen_bridge.settings.settings import Settings

HEADER = "x-qwen-bridge-cache"
"""`hit` on an answer from memory, `miss` on one that could have been."""


class Caching:
    """The kept answers of one bridge; none where `cache_ttl` is 0."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._most = settings.cache_bytes
        self._clock = clock
        self._cache: AnswerCache | None = None
        if settings.cache_ttl:
            self._cache = AnswerCache(settings.cache_entries, self._most, settings.cache_ttl)

    def manner(self, question: Question, headers: Mapping[str, str], body: bytes) -> Callable[..., Exchange]:
        """What makes the exchange for a request, out of the parts of one: `Exchange` itself where nothing is kept.

        A client's `cache-control` is heeded: `no-cache` asks Qwen and keeps the new answer, `no-store` keeps none.
        """
        wish = headers.get("cache-control", "").lower()
        if self._cache is None or question.passing or "no-store" in wish or not is_opening(question.request):
            return Exchange
        key = cache_key(question.scope, body)
        if key is None:
            return Exchange
        kept = None if "no-cache" in wish else self._cache.get(key, self._clock.monotonic())
        if kept is not None:
            return partial(Replay, kept)
        return partial(Overheard, partial(self._put, self._cache, key), self._most)

    def _put(self, cache: AnswerCache, key: str, answer: KeptAnswer) -> None:
        cache.put(key, answer, self._clock.monotonic())


def marks(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    """The header that says whether the answer comes from memory; none where it never could."""
    return ((HEADER, exchange.cache),) if exchange.cache else ()
