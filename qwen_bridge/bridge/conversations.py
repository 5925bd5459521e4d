"""The conversations the bridge knows, in memory and in the store, and how old ones are forgotten.

This is the part of `bridge` that remembers. The book answers for the recent past, the store for everything else. A
store that cannot answer costs tokens and never a turn: histories that only it knew go to new chats, and the log says
once when it fails and once when it is back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from qwen_bridge.conversation.anchors import RECENT, AnchorBook
from qwen_bridge.exchange.effects import Commit, Forget
from qwen_bridge.ports import (
    Anchor,
    ChatSummary,
    Clock,
    ConversationStore,
    Counts,
    Metrics,
    StoreUnavailable,
    Uncounted,
)
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.store.sqlite import SQLiteStore

log = structlog.get_logger("qwen_bridge")

STORE_WAIT = 1.0
"""Seconds for which the end of an answer waits for the store."""

FIRST_SWEEP = 60.0
"""Seconds from the first request to the first sweep: a start has better things to do."""

SWEEP_EVERY = 3600.0
"""Seconds between sweeps, about: several bridges on one store need not come together."""

DATABASE = "conversations.sqlite3"
"""The file below the folder `state`."""

MOST_CHATS = 1_000_000
"""More chats than any store holds anchors for."""

type Bury = Callable[[Sequence[ChatSummary]], Awaitable[object]]
"""What becomes of chats that are forgotten: they may be deleted upstream."""


def open_store(settings: Settings, clock: Clock) -> ConversationStore:
    """The store that the settings name. Raises StoreUnavailable, saying what to do, when it cannot be used."""
    match settings.store:
        case "memory":
            return MemoryStore(clock, max_anchors=settings.max_anchors)
        case "sqlite":
            return SQLiteStore(settings.state / DATABASE, clock, max_anchors=settings.max_anchors)
        case "redis":
            from qwen_bridge.store.redis import RedisStore  # the package `redis` is an extra

            # What expires there by itself is seen by no sweep, and so could not be deleted upstream.
            grace = 2 if settings.delete_chats == "expired" else 1
            return RedisStore(
                settings.redis_url.get_secret_value() if settings.redis_url else "",
                clock,
                ttl=settings.conversation_ttl * grace,
                max_anchors=settings.max_anchors,
                namespace=settings.redis_namespace,
            )


class Conversations:
    """Where known histories lie. `ttl` is in seconds: chats not used for so long are forgotten by the sweep.

    `bury` is handed the chats that a sweep found too old, after they were forgotten; None when nothing is to be done.
    `most` is how many anchors the store holds at the most; memory never holds more. Close it with `aclose`.
    """

    def __init__(
        self, store: ConversationStore, clock: Clock, ttl: float, bury: Bury | None = None, most: int = RECENT
    ) -> None:
        self._store = store
        self._clock = clock
        self._ttl = ttl
        self._bury = bury
        self.metrics: Metrics = Uncounted()
        self._book = AnchorBook(min(most, RECENT))
        self._out = False  # whether the store failed the last time it was asked
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def find(self, keys: Sequence[str]) -> Mapping[str, Sequence[Anchor]]:
        """What is known of `keys`: from memory when that holds the deepest of them, otherwise from the store too."""
        if not keys:
            return {}
        found = self._book.find(keys)
        if keys[0] in found:
            return found
        try:
            self._book.merge(await self._store.find(keys))
        except StoreUnavailable as error:
            self._failed(error)
        else:
            self._answered()
        return self._book.find(keys)

    def claim(self, anchor: Anchor) -> None:
        """Mark a node as continued; see `AnchorBook.claim`."""
        self._book.claim(anchor)

    async def remember(self, effect: Commit | Forget) -> None:
        """Carry out a memory effect: at once in memory, then in the store, which is waited for a little.

        house.md wanted it stored after the last bytes. Then a bridge killed in the moment after `[DONE]` forgets the
        turn its client has just seen; waiting costs a fraction of a millisecond, and a slow store cannot hold the
        answer back for longer than `STORE_WAIT`.
        """
        await asyncio.wait({self.note(effect)}, timeout=STORE_WAIT)

    def note(self, effect: Commit | Forget) -> asyncio.Task[None]:
        """Carry out a memory effect in memory; the task writes it to the store."""
        work: Coroutine[Any, Any, object]
        match effect:
            case Commit(key, anchor):
                self._book.put(key, anchor)
                work = self._store.put(key, anchor)
            case Forget(anchor, whole_chat) if whole_chat:
                self._book.drop_chat(anchor.chat_id)
                work = self._store.drop_chat(anchor.chat_id)
            case Forget(anchor, _):
                self._book.drop(anchor.chat_id, anchor.parent_id)
                work = self._store.drop(anchor.chat_id, anchor.parent_id)
        task = asyncio.get_running_loop().create_task(self._written(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def sweep_from_now_on(self) -> None:
        """Begin the sweeps, if they have not begun. They end with `aclose`."""
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep_for_ever())

    async def sweep(self) -> None:
        """Forget the chats not used for `ttl` seconds; what went and what is left stands in the log."""
        try:
            old = await self._old_chats() if self._bury is not None else []
            forgotten = await self._store.purge(self._ttl)
            counts = await self._store.counts()
            # One of them may have been used in between: only what is really forgotten is given up.
            gone = [chat for chat in old if not await self._store.anchors_of(chat.chat_id)]
        except StoreUnavailable as error:
            self._failed(error)
            return
        self._answered()
        self.metrics.count("sweeps")
        self.metrics.count("swept_anchors", forgotten)
        log.info("conversations swept", forgotten=forgotten, anchors=counts.anchors, chats=counts.chats)
        for chat in gone:
            self._book.drop_chat(chat.chat_id)
        if self._bury is not None and gone:
            await self._bury(gone)

    async def counts(self) -> Counts | None:
        """How much the store holds now; None when it cannot say."""
        try:
            counts = await self._store.counts()
        except StoreUnavailable as error:
            self._failed(error)
            return None
        self._answered()
        return counts

    async def aclose(self) -> None:
        """Let what is being written be written, then close the store."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._store.close()

    async def _sweep_for_ever(self) -> None:
        delay = FIRST_SWEEP
        while True:
            # Jitter of a quarter, against bridges that were started together; nobody gains from guessing it.
            await asyncio.sleep(delay * (1.0 + random.random() / 4.0))  # noqa: S311
            await self.sweep()
            delay = SWEEP_EVERY

    async def _old_chats(self) -> list[ChatSummary]:
        oldest = self._clock.now() - self._ttl
        return [chat for chat in await self._store.chats(MOST_CHATS) if chat.used < oldest]

    async def _written(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except StoreUnavailable as error:
            self._failed(error)
        else:
            self._answered()

    def _failed(self, error: StoreUnavailable) -> None:
        if not self._out:
            self._out = True
            self.metrics.count("store_failures")
            self.metrics.level("store_up", 0)
            log.warning("the conversation store cannot be used: unknown histories go to new chats", reason=str(error))

    def _answered(self) -> None:
        if self._out:
            self._out = False
            self.metrics.level("store_up", 1)
            log.info("the conversation store answers again")
