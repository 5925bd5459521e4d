"""What every store does. A new store joins by one row in `STORES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from qwen_bridge.ports import Anchor, ChatSummary, ConversationStore, Counts, StoreUnavailable
from qwen_bridge.store import redis as redis_store
from qwen_bridge.store.limits import PER_KEY, TOUCH_SECONDS
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.store.redis import RedisStore
from qwen_bridge.store.sqlite import SQLiteStore
from tests.store.clock import SetClock

BOUND = 40


type Maker = Callable[[int], ConversationStore]
"""A store with room for so many anchors."""


def memory(request: pytest.FixtureRequest, folder: Path, clock: SetClock) -> Maker:
    return lambda bound: MemoryStore(clock, max_anchors=bound)


def sqlite(request: pytest.FixtureRequest, folder: Path, clock: SetClock) -> Maker:
    return lambda bound: SQLiteStore(folder / "anchors.db", clock, max_anchors=bound)


def redis(request: pytest.FixtureRequest, folder: Path, clock: SetClock) -> Maker:
    # What is shown here must not depend on how busy the machine is.
    request.getfixturevalue("monkeypatch").setattr(redis_store, "WAIT_SECONDS", 60)
    url: str = request.getfixturevalue("redis_url")
    return lambda bound: RedisStore(url, clock, ttl=3600, max_anchors=bound, namespace=str(folder))


STORES = {"memory": memory, "sqlite": sqlite, "redis": redis}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=STORES)
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Maker:
    return STORES[request.param](request, tmp_path, clock)


@pytest.fixture
async def store(make: Maker) -> AsyncIterator[ConversationStore]:
    made = make(BOUND)
    yield made
    await made.close()


def anchor(chat: str, node: str = "n", depth: int = 2, instructions: str = "i", previous: str = "") -> Anchor:
    return Anchor(chat, node, "qwen3-max", "account", instructions, depth, previous)


async def test_anchors_are_found_again_whole_and_oldest_first(store: ConversationStore) -> None:
    """Known keys give all their anchors as they were put, the oldest first; unknown keys are absent."""
    await store.put("k", anchor("b", "1"))
    await store.put("k", anchor("a", "2", depth=4, previous="1"))
    await store.put("l", anchor("b", "3"))
    assert await store.find(["x", "l", "k"]) == {
        "k": [anchor("b", "1"), anchor("a", "2", depth=4, previous="1")],
        "l": [anchor("b", "3")],
    }
    assert await store.find([]) == {}


async def test_many_keys_are_asked_at_once(store: ConversationStore) -> None:
    """A history of thousands of messages is one look-up; odd keys do no harm."""
    await store.put("k9999", anchor("a"))
    asked = [f"k{number}" for number in range(40_000)]
    assert await store.find([*asked, "", "'", '"', "k9999"]) == {"k9999": [anchor("a")]}


async def test_put_is_idempotent_and_renews(store: ConversationStore) -> None:
    """The same node is kept once, with what was said last, and in its old place."""
    await store.put("k", anchor("a"))
    await store.put("k", anchor("b"))
    await store.put("k", anchor("a", instructions="new"))
    assert await store.find(["k"]) == {"k": [anchor("a", instructions="new"), anchor("b")]}


async def test_drop_forgets_a_node_under_every_key(store: ConversationStore) -> None:
    """A refused node is gone from all histories, its neighbours stay."""
    for key, value in [("k", anchor("a")), ("l", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b"))]:
        await store.put(key, value)
    assert await store.drop("a", "n") == 2
    assert await store.drop("a", "n") == 0
    assert await store.find(["k", "l"]) == {"k": [anchor("b")], "l": [anchor("a", "m")]}


async def test_drop_chat_forgets_all_of_it(store: ConversationStore) -> None:
    """A chat that is gone leaves nothing behind, and may be known again later."""
    for key, value in [("k", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b"))]:
        await store.put(key, value)
    assert await store.drop_chat("a") == 2
    assert await store.drop_chat("a") == 0
    assert await store.find(["k", "l"]) == {"k": [anchor("b")]}
    await store.put("l", anchor("a"))
    assert await store.find(["l"]) == {"l": [anchor("a")]}


async def test_youngest_chats_of_one_history_are_kept(store: ConversationStore) -> None:
    """Of one history that lies in very many chats the youngest are kept."""
    for number in range(PER_KEY + 3):
        await store.put("k", anchor(str(number)))
    found = await store.find(["k"])
    assert [a.chat_id for a in found["k"]] == [str(number) for number in range(3, PER_KEY + 3)]


async def test_never_more_than_the_bound(store: ConversationStore, clock: SetClock) -> None:
    """The number of anchors is bounded, what was put last stays, and the room is used."""
    keys = [f"k{number}" for number in range(3 * BOUND)]
    for position, key in enumerate(keys):
        clock.time += 1
        await store.put(key, anchor(key))
        if position >= BOUND - 1:
            assert BOUND - 5 <= len(await store.find(keys)) <= BOUND
    found = await store.find(keys)
    assert sorted(found) == sorted(keys[-len(found) :])


async def test_chat_used_longest_ago_goes_first_and_leaf_before_root(store: ConversationStore, clock: SetClock) -> None:
    """When room is needed an idle chat loses its deepest anchors first; a chat that was looked up is not idle."""
    for chat in ("read", "idle"):
        clock.time += 1
        for depth in range(2, 22, 2):
            await store.put(f"{chat}{depth}", anchor(chat, str(depth), depth))
    clock.time += TOUCH_SECONDS + 1
    await store.find(["read2"])
    for number in range(24):
        await store.put(f"new{number}", anchor("new", str(number)))
    found = await store.find([f"{chat}{depth}" for depth in range(2, 22, 2) for chat in ("read", "idle")])
    idle = sorted(int(key.removeprefix("idle")) for key in found if key.startswith("idle"))
    assert 3 <= len(idle) <= 6
    assert idle == list(range(2, 2 + 2 * len(idle), 2))
    assert sum(key.startswith("read") for key in found) == 10


async def test_anchor_put_last_stays(store: ConversationStore) -> None:
    """One conversation longer than the whole store can still be continued after each turn."""
    for depth in range(3 * BOUND):
        await store.put(f"k{depth}", anchor("a", str(depth), depth))
        assert await store.find([f"k{depth}"]) == {f"k{depth}": [anchor("a", str(depth), depth)]}


async def test_purge_forgets_idle_chats(store: ConversationStore, clock: SetClock) -> None:
    """Chats not used for so many seconds are forgotten whole, and counted."""
    await store.put("k", anchor("idle"))
    await store.put("l", anchor("idle", "m"))
    await store.put("k", anchor("read"))
    clock.time += 3600
    await store.put("l", anchor("put"))
    await store.find(["k"])
    assert await store.purge(1800) == 0
    clock.time += 1000
    await store.put("m", anchor("read", "m"))
    clock.time += 1000
    assert await store.purge(1800) == 3
    assert await store.find(["k", "l", "m"]) == {"k": [anchor("read")], "m": [anchor("read", "m")]}


async def test_what_is_left_of_a_tree_hangs_together(store: ConversationStore, clock: SetClock) -> None:
    """However much of a forked chat is forgotten, no node loses the one it hangs on before it goes itself."""
    tree = {"1": "", "2": "1", "3": "2", "4": "3", "2b": "1", "3b": "2b", "3c": "2b", "4c": "3c"}
    for node, previous in sorted(tree.items(), key=lambda item: item[0][::-1]):
        await store.put(node, anchor("tree", node, 2 * int(node[0]), previous=previous))
    lost = set[int]()
    for number in range(BOUND):
        clock.time += 1
        await store.put(f"other{number}", anchor(str(number)))
        left = {kept.parent_id: kept.previous for kept in await store.anchors_of("tree")}
        lost.add(len(tree) - len(left))
        assert set(left.values()) <= {"", *left}
    assert len(lost) > 3


async def test_counts(store: ConversationStore, clock: SetClock) -> None:
    """Anchors and chats are counted, and the chat idle for longest says since when."""
    assert await store.counts() == Counts(0, 0, None)
    start = clock.time
    for key, value in [("k", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b"))]:
        clock.time += 0.5
        await store.put(key, value)
    assert await store.counts() == Counts(3, 2, start + 1)
    await store.drop_chat("a")
    assert await store.counts() == Counts(1, 1, start + 1.5)
    await store.drop("b", "n")
    assert await store.counts() == Counts(0, 0, None)


async def test_chats_are_listed(store: ConversationStore, clock: SetClock) -> None:
    """Chats come with the facts of their deepest anchor, the one used last first, as many as are asked for."""
    start = clock.time
    await store.put("k", anchor("a"))
    await store.put("l", Anchor("a", "m", "other-model", "other", "i", 6, "n"))
    clock.time += 0.25
    await store.put("k", anchor("b"))
    a = ChatSummary("a", "other-model", "other", 6, 2, start)
    b = ChatSummary("b", "qwen3-max", "account", 2, 1, start + 0.25)
    assert await store.chats(10) == [b, a]
    assert await store.chats(1) == [b]
    assert await store.chats(0) == await store.chats(-1) == []
    clock.time += TOUCH_SECONDS + 1
    await store.find(["l"])
    assert [chat.chat_id for chat in await store.chats(10)] == ["a", "b"]
    await store.drop_chat("a")
    assert await store.chats(10) == [b]


async def test_one_chat_is_shown(store: ConversationStore) -> None:
    """All anchors of a chat are given, each with the node it hangs on, the shallowest first."""
    nodes = [anchor("a", "1"), anchor("a", "2", 4, previous="1"), anchor("a", "3", 6, previous="2")]
    for value in reversed(nodes):
        await store.put(f"k{value.depth}", value)
    await store.put("k2", anchor("b", "9"))
    assert await store.anchors_of("a") == nodes
    await store.put("another", nodes[1])
    assert await store.anchors_of("a") == [nodes[0], nodes[1], nodes[1], nodes[2]]
    assert await store.anchors_of("x") == []


@pytest.mark.parametrize("odd", ["", " ", "'\"\\", "/", "\0", "{x}", "\u2028", "对话", "👩‍💻", '["a"]'])
async def test_ids_are_taken_as_they_are(store: ConversationStore, odd: str) -> None:
    """Whatever characters an id consists of, it comes back the same and can be dropped."""
    kept = Anchor(odd + "chat", odd + "node", odd + "model", odd, odd, 2, odd)
    await store.put("k", kept)
    assert await store.find(["k"]) == {"k": [kept]}
    assert await store.anchors_of(kept.chat_id) == [kept]
    assert await store.drop(kept.chat_id, kept.parent_id) == 1
    assert await store.find(["k"]) == {}


async def test_half_a_character_harms_nothing(store: ConversationStore) -> None:
    """An id that is no Unicode is kept or refused in the store's own words; other conversations do not notice."""
    await store.put("k", anchor("a"))
    for broken in (anchor("\ud800"), anchor("a", "\ud800"), anchor("b", previous="\ud800")):
        try:
            await store.put("l", broken)
        except StoreUnavailable:
            continue
        assert broken in (await store.find(["l"]))["l"]
    assert await store.find(["k"]) == {"k": [anchor("a")]}
    await store.put("m", anchor("c"))
    assert await store.find(["m"]) == {"m": [anchor("c")]}


async def test_closed_store_says_so(store: ConversationStore) -> None:
    """After closing every call says that the store is unavailable; closing twice is harmless."""
    await store.close()
    await store.close()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.find(["k"]),
        lambda: store.find([]),
        lambda: store.put("k", anchor("a")),
        lambda: store.drop("a", "n"),
        lambda: store.drop_chat("a"),
        lambda: store.purge(1),
        lambda: store.counts(),
        lambda: store.chats(1),
        lambda: store.anchors_of("a"),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="closed"):
            await call()


async def test_smallest_store(make: Maker) -> None:
    """A bound of one keeps the last anchor; a bound of none is a mistake."""
    store = make(1)
    await store.put("k", anchor("a"))
    await store.put("l", anchor("b"))
    assert await store.find(["k", "l"]) == {"l": [anchor("b")]}
    await store.close()
    with pytest.raises(ValueError):
        make(0)


async def test_a_lease_is_its_holders_until_given_back(store: ConversationStore) -> None:
    """Asked again it is the holder's still, in any chat by itself; a store that nobody shares always says yes."""
    shared = isinstance(store, RedisStore)
    assert await store.lease("chat", "one", 60)
    assert await store.lease("chat", "one", 60)
    assert await store.lease("chat", "two", 60) is not shared
    assert await store.lease("other", "two", 60)
    await store.give_back("chat", "two")
    assert await store.lease("chat", "two", 60) is not shared
    await store.give_back("chat", "one")
    await store.give_back("chat", "one")
    assert await store.lease("chat", "two", 60)
    assert (await store.counts()).chats == 0, "a lease is no conversation"


async def test_a_lease_is_over_when_it_is_not_renewed(store: ConversationStore) -> None:
    """By itself, on the store's clock: its holder may have died."""
    assert await store.lease("chat", "one", 0.001)
    for _ in range(1000):
        if await store.lease("chat", "two", 60):
            return
    raise AssertionError("it never ended")
