"""Anchors in Redis or Valkey: one memory for several bridges behind a load balancer.

One server, or a primary with its replicas behind one address; not a cluster. What is kept there expires by itself `ttl`
seconds after its last use. Each call is one script and so one round trip (`redis_scripts`), and has `WAIT_SECONDS` for
it, connecting included: a Redis that is slow or gone costs a request that long at most, and a new chat. There is
nothing to wait for and nothing to reset when it comes back: the next call connects again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from itertools import batched
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from qwen_bridge.ports import Anchor, ChatSummary, Clock, Counts, StoreUnavailable
from qwen_bridge.store import redis_scripts as scripts
from qwen_bridge.store.limits import MAX_ANCHORS, PER_KEY, TOUCH_SECONDS, checked, slack

WAIT_SECONDS: Final = 0.5
"""Longest wait for one answer, connecting included."""

CONNECTIONS: Final = 8
"""Connections of one bridge at most. A call keeps one for a fraction of a millisecond."""

BATCH: Final = 1000
"""Keys, anchors or chats that one call handles at most: Redis does nothing else meanwhile."""


class RedisStore:
    """`ports.ConversationStore` in Redis or Valkey.

    `url` is `redis://`, `rediss://` (TLS) or `unix://`, as the `redis` package reads it; StoreUnavailable when it
    cannot be read. Nothing is sent before the first call. `ttl` is in seconds; what was not used for so long is gone.
    `max_anchors` bounds all bridges of one `namespace` together; see `limits` for what is forgotten. Bridges that share
    a server share their conversations unless their namespaces differ.
    """

    __slots__ = ("_clock", "_closed", "_counted", "_max", "_patience", "_redis", "_root", "_scripts", "_tasks", "_ttl")

    def __init__(
        self, url: str, clock: Clock, *, ttl: float, max_anchors: int = MAX_ANCHORS, namespace: str = "qwen-bridge"
    ) -> None:
        if ttl <= 0:
            raise ValueError(f"conversations have to be kept for some time, not for {ttl} seconds")
        self._clock = clock
        self._max = checked(max_anchors)
        self._ttl = max(1, round(ttl * 1000))  # milliseconds
        self._patience = min(TOUCH_SECONDS, ttl / 4)
        # The braces keep all names in one hash slot, should a proxy in front of Redis distribute by slots.
        self._root = f"{{{namespace}}}:1:"
        self._redis = _client(url)
        self._scripts: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._counted = False  # nobody knows yet how full Redis is: the first put counts
        self._closed = False

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        """As the port says, in one round trip for `BATCH` keys; marks the chats it found as used."""
        self._check()
        found = dict[str, list[Anchor]]()
        for asked in batched(dict.fromkeys(keys), BATCH):
            told = await self._call(scripts.FIND, self._clock.now(), self._ttl, self._patience, *asked)
            for key, anchor in _anchors(told):
                found.setdefault(key, []).append(anchor)
        return found

    async def put(self, key: str, anchor: Anchor) -> None:
        """As the port says; returns when Redis has it. Forgets others when there are too many."""
        place = _pack(key, anchor.chat_id, anchor.parent_id)
        known = _pack(anchor.model, anchor.account, anchor.instructions, anchor.depth, anchor.previous)
        now, puts = self._clock.now(), slack(self._max)
        full = await self._call(scripts.PUT, now, self._ttl, self._patience, place, known, PER_KEY, puts)
        if full or not self._counted:
            self._counted = True
            while await self._call(scripts.EVICT, self._max - puts + 1, place, BATCH) > 0:
                pass

    async def drop_chat(self, chat_id: str) -> int:
        return int(await self._call(scripts.DROP, chat_id))

    async def drop(self, chat_id: str, parent_id: str) -> int:
        return int(await self._call(scripts.DROP, chat_id, parent_id))

    async def lease(self, chat_id: str, holder: str, seconds: float) -> bool:
        """As the port says; by Redis's own clock."""
        return bool(await self._call(scripts.LEASE, chat_id, holder, max(1, round(seconds * 1000))))

    async def give_back(self, chat_id: str, holder: str) -> None:
        await self._call(scripts.GIVE_BACK, chat_id, holder)

    async def purge(self, older_than: float) -> int:
        oldest, total, chats = self._clock.now() - older_than, 0, BATCH
        while chats == BATCH:
            chats, anchors = await self._call(scripts.PURGE, oldest, BATCH)
            total += anchors
        return total

    async def counts(self) -> Counts:
        anchors, chats, oldest = await self._call(scripts.COUNT)
        return Counts(anchors, chats, None if oldest is None else float(oldest))

    async def chats(self, limit: int) -> list[ChatSummary]:
        summaries: list[ChatSummary] = []
        skipped, looked_at = 0, BATCH
        while looked_at == BATCH and len(summaries) < limit:
            looked_at, *rows = json.loads(await self._call(scripts.CHATS, skipped, BATCH))
            summaries += [_summary(*row) for row in rows]
            skipped += BATCH
        return summaries[: max(0, limit)]

    async def anchors_of(self, chat_id: str) -> list[Anchor]:
        anchors = [anchor for _, anchor in _anchors(await self._call(scripts.ANCHORS_OF, chat_id))]
        return sorted(anchors, key=lambda anchor: (anchor.depth, anchor.parent_id))

    async def close(self) -> None:
        """Let what is under way finish and close the connections. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._redis.aclose()

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    async def _call(self, script: str, *values: str | float) -> Any:
        """Run a script; its answer, or StoreUnavailable."""
        self._check()
        task = asyncio.create_task(self._run(script, values))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        # Shielded: the client's leaving cancels whoever waits here, and must not unwrite what was answered. Nor does
        # it then tear a connection down in the middle of an answer.
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Looked at, or asyncio reports it as nobody's: whoever waited for it may have gone with the client.
        if not task.cancelled():
            task.exception()

    async def _run(self, script: str, values: Sequence[str | float]) -> Any:
        if script not in self._scripts:
            self._scripts[script] = self._redis.register_script(script)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._scripts[script](keys=[self._root], args=values)
        except TimeoutError as exc:
            raise StoreUnavailable(f"{self._place} did not answer within {WAIT_SECONDS:g} seconds") from exc
        except (RedisError, OSError, UnicodeError) as exc:  # UnicodeError: an id with half a character in it
            raise StoreUnavailable(f"{self._place} failed: {exc}") from exc

    @property
    def _place(self) -> str:
        """What an error calls the store: without the password that stands in the address."""
        facts = self._redis.connection_pool.connection_kwargs
        where = facts.get("path") or f"{facts.get('host', 'localhost')}:{facts.get('port', 6379)}"
        return f"the conversation store in Redis at {where}"


def _client(url: str) -> Redis:
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=WAIT_SECONDS,
            decode_responses=True,
            protocol=2,  # says all that is needed here, and saves a round trip with servers of every age
            # Once more, at once: a connection that lay idle may have died with a Redis that has come back since.
            # Whatever is asked twice is the same the second time.
            retry=Retry(NoBackoff(), 1),
        )
    except (ValueError, TypeError):  # not quoted: the parts it was cut into may hold the password
        raise StoreUnavailable(
            "the address of Redis cannot be read; write it like redis://:PASSWORD@HOST:6379/0,"
            " what is neither letter nor digit in the password percent-encoded"
        ) from None
    return Redis.from_pool(pool)


def _pack(*fields: str | int) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _anchors(told: str) -> Iterator[tuple[str, Anchor]]:
    """Keys and anchors from pairs of place and anchor."""
    for (key, chat_id, parent_id), known in json.loads(told):
        yield key, Anchor(chat_id, parent_id, *known)


def _summary(place: Sequence[str], deepest: Sequence[Any], anchors: int, used: float) -> ChatSummary:
    _, chat_id, _ = place
    model, account, _, depth, _ = deepest
    return ChatSummary(chat_id, model, account, depth, anchors, float(used))
