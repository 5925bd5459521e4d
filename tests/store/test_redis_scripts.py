"""What lies in Redis: the names that are documented, and all of it with an end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from qwen_bridge.ports import Anchor
from qwen_bridge.store import redis as store_module
from qwen_bridge.store.limits import PER_KEY, TOUCH_SECONDS
from qwen_bridge.store.redis import RedisStore
from tests.store.clock import SetClock

TTL = 3600


class Inside:
    """The same Redis, seen without the store. Names are given and shown without the root."""

    def __init__(self, url: str, namespace: str) -> None:
        self.root = f"{{{namespace}}}:1:"
        self.raw = redis.Redis.from_url(url, decode_responses=True)

    def names(self) -> set[str]:
        return {str(name).removeprefix(self.root) for name in self.raw.scan_iter(f"{self.root}*")}

    def lives(self) -> dict[str, float]:
        """Name → seconds to live, -0.001 for one without an end."""
        return {name: self.raw.pttl(self.root + name) / 1000 for name in self.names()}

    def age(self, seconds: float) -> None:
        """As if so much time had passed for Redis."""
        for name, left in self.lives().items():
            self.raw.pexpire(self.root + name, max(1, int((left - seconds) * 1000)))

    def lose(self, name: str) -> None:
        assert self.raw.delete(self.root + name) == 1


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def inside(redis_url: str, tmp_path: Path) -> Iterator[Inside]:
    seen = Inside(redis_url, "n")
    seen.raw.flushall()  # `scan_iter` reads patterns, so the namespace is a plain one
    yield seen
    seen.raw.close()


@pytest.fixture
async def store(
    redis_url: str, clock: SetClock, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RedisStore]:
    monkeypatch.setattr(store_module, "WAIT_SECONDS", 60)
    made = RedisStore(redis_url, clock, ttl=TTL, namespace="n")
    yield made
    await made.close()


def anchor(chat: str, node: str = "n", depth: int = 2) -> Anchor:
    return Anchor(chat, node, "m", "a", "i", depth)


async def test_layout(store: RedisStore, inside: Inside) -> None:
    """The names are those of the docstring, all below one root, and each has an end."""
    await store.put("k", anchor("a"))
    await store.put("l", anchor("a", "m", 4))
    assert inside.names() == {"chat:a", "key:k", "key:l", "chats", "puts"}
    assert all(TTL - 60 < left <= TTL for left in inside.lives().values())
    await store.drop_chat("a")
    assert inside.names() == {"puts"}


async def test_use_prolongs_the_whole_chat(store: RedisStore, inside: Inside, clock: SetClock) -> None:
    """Looking up one history keeps the chat and all keys that lead into it; other chats go on ageing."""
    for key, value in [("k", anchor("a")), ("l", anchor("a", "m", 4)), ("x", anchor("b"))]:
        await store.put(key, value)
    inside.age(1000)
    clock.time += 1000
    await store.find(["k"])
    young = {name for name, left in inside.lives().items() if left > TTL - 60}
    assert young == {"chat:a", "key:k", "key:l", "chats"}


async def test_put_prolongs_the_whole_chat(store: RedisStore, inside: Inside, clock: SetClock) -> None:
    """A turn every minute keeps the first key of a chat alive as long as the last."""
    await store.put("k", anchor("a"))
    for depth in range(4, 130, 2):
        inside.age(TOUCH_SECONDS)
        clock.time += TOUCH_SECONDS
        await store.put(f"k{depth}", anchor("a", str(depth), depth))
    assert min(inside.lives().values()) > TTL - 3 * TOUCH_SECONDS


async def test_short_life_is_prolonged_in_time(redis_url: str, inside: Inside, clock: SetClock) -> None:
    """Where conversations live shorter than the mark of use is old, the mark is renewed more often."""
    store = RedisStore(redis_url, clock, ttl=8, namespace="n")
    await store.put("k", anchor("a"))
    inside.raw.pexpire("{n}:1:chat:a", 5000)
    await store.find(["k"])
    assert inside.lives()["chat:a"] > 5
    await store.close()


async def test_chat_that_expired_is_gone_in_every_way(store: RedisStore, inside: Inside) -> None:
    """What still points to a chat that Redis let go of leads nowhere, and is in nobody's way."""
    await store.put("k", anchor("a"))
    await store.put("k", anchor("b"))
    inside.lose("chat:a")
    assert await store.find(["k"]) == {"k": [anchor("b")]}
    assert (await store.counts()).chats == 1
    assert [chat.chat_id for chat in await store.chats(9)] == ["b"]
    assert (await store.anchors_of("a"), await store.drop_chat("a"), await store.purge(-1)) == ([], 0, 1)
    await store.put("k", anchor("a"))
    assert await store.find(["k"]) == {"k": [anchor("a")]}


@pytest.mark.parametrize("lost", ["chats", "puts", "key:k", "key:l"])
async def test_whatever_redis_evicts(store: RedisStore, inside: Inside, lost: str) -> None:
    """Where Redis throws away what it likes, some history is not found, and nothing wrong is."""
    await store.put("k", anchor("a"))
    await store.put("l", anchor("a", "m", 4))
    inside.lose(lost)
    known = {"k": [anchor("a")], "l": [anchor("a", "m", 4)]}
    found = await store.find(["k", "l"])
    assert found == {key: anchors for key, anchors in known.items() if lost != f"key:{key}"}
    await store.put("l", anchor("a", "m", 4))
    assert (await store.find(["l"]))["l"] == known["l"]
    assert (await store.counts()).anchors == 2
    assert await store.drop_chat("a") == 2


async def test_pushed_out_of_its_key_is_pushed_out_of_its_chat(store: RedisStore, inside: Inside) -> None:
    """The oldest chats of one history leave nothing behind when younger ones take their place."""
    for number in range(PER_KEY + 2):
        await store.put("k", anchor(f"c{number:02}"))
    assert len([name for name in inside.names() if name.startswith("chat:")]) == PER_KEY
    assert (await store.counts()).chats == PER_KEY
