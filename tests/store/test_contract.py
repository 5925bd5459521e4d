"""What every store does. A new store joins by one row in `STORES`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from qwen_bridge.ports import Anchor, ConversationStore, StoreUnavailable
from qwen_bridge.store.limits import PER_KEY, TOUCH_SECONDS
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.store.sqlite import SQLiteStore
from tests.store.clock import SetClock

BOUND = 40


class Store(ConversationStore, Protocol):
    async def purge(self, older_than: float) -> int: ...


type Maker = Callable[[Path, SetClock, int], Store]

STORES: dict[str, Maker] = {
    "memory": lambda folder, clock, bound: MemoryStore(clock, max_anchors=bound),
    "sqlite": lambda folder, clock, bound: SQLiteStore(folder / "anchors.db", clock, max_anchors=bound),
}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> AsyncIterator[Store]:
    made = STORES[request.param](tmp_path, clock, BOUND)
    yield made
    await made.close()


def anchor(chat: str, node: str = "n", depth: int = 2, instructions: str = "i") -> Anchor:
    return Anchor(chat, node, "qwen3-max", "account", instructions, depth)


async def test_anchors_are_found_again_whole_and_oldest_first(store: Store) -> None:
    """Known keys give all their anchors as they were put, the oldest first; unknown keys are absent."""
    await store.put("k", anchor("b", "1"))
    await store.put("k", anchor("a", "2", depth=4))
    await store.put("l", anchor("b", "3"))
    assert await store.find(["x", "l", "k"]) == {
        "k": [anchor("b", "1"), anchor("a", "2", depth=4)],
        "l": [anchor("b", "3")],
    }
    assert await store.find([]) == {}


async def test_many_keys_are_asked_at_once(store: Store) -> None:
    """A history of thousands of messages is one look-up; odd keys do no harm."""
    await store.put("k9999", anchor("a"))
    asked = [f"k{number}" for number in range(40_000)]
    assert await store.find([*asked, "", "'", '"', "k9999"]) == {"k9999": [anchor("a")]}


async def test_put_is_idempotent_and_renews(store: Store) -> None:
    """The same node is kept once, with what was said last, and in its old place."""
    await store.put("k", anchor("a"))
    await store.put("k", anchor("b"))
    await store.put("k", anchor("a", instructions="new"))
    assert await store.find(["k"]) == {"k": [anchor("a", instructions="new"), anchor("b")]}


async def test_drop_forgets_a_node_under_every_key(store: Store) -> None:
    """A refused node is gone from all histories, its neighbours stay."""
    for key, value in [("k", anchor("a")), ("l", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b"))]:
        await store.put(key, value)
    assert await store.drop("a", "n") == 2
    assert await store.drop("a", "n") == 0
    assert await store.find(["k", "l"]) == {"k": [anchor("b")], "l": [anchor("a", "m")]}


async def test_drop_chat_forgets_all_of_it(store: Store) -> None:
    """A chat that is gone leaves nothing behind, and may be known again later."""
    for key, value in [("k", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b"))]:
        await store.put(key, value)
    assert await store.drop_chat("a") == 2
    assert await store.drop_chat("a") == 0
    assert await store.find(["k", "l"]) == {"k": [anchor("b")]}
    await store.put("l", anchor("a"))
    assert await store.find(["l"]) == {"l": [anchor("a")]}


async def test_youngest_chats_of_one_history_are_kept(store: Store) -> None:
    """Of one history that lies in very many chats the youngest are kept."""
    for number in range(PER_KEY + 3):
        await store.put("k", anchor(str(number)))
    found = await store.find(["k"])
    assert [a.chat_id for a in found["k"]] == [str(number) for number in range(3, PER_KEY + 3)]


async def test_never_more_than_the_bound(store: Store, clock: SetClock) -> None:
    """The number of anchors is bounded, what was put last stays, and the room is used."""
    keys = [f"k{number}" for number in range(3 * BOUND)]
    for position, key in enumerate(keys):
        clock.time += 1
        await store.put(key, anchor(key))
        if position >= BOUND - 1:
            assert BOUND - 5 <= len(await store.find(keys)) <= BOUND
    found = await store.find(keys)
    assert sorted(found) == sorted(keys[-len(found) :])


async def test_chat_used_longest_ago_goes_first_and_leaf_before_root(store: Store, clock: SetClock) -> None:
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


async def test_anchor_put_last_stays(store: Store) -> None:
    """One conversation longer than the whole store can still be continued after each turn."""
    for depth in range(3 * BOUND):
        await store.put(f"k{depth}", anchor("a", str(depth), depth))
        assert await store.find([f"k{depth}"]) == {f"k{depth}": [anchor("a", str(depth), depth)]}


async def test_purge_forgets_idle_chats(store: Store, clock: SetClock) -> None:
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


async def test_closed_store_says_so(store: Store) -> None:
    """After closing every call says that the store is unavailable; closing twice is harmless."""
    await store.close()
    await store.close()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.find(["k"]),
        lambda: store.put("k", anchor("a")),
        lambda: store.drop("a", "n"),
        lambda: store.drop_chat("a"),
        lambda: store.purge(1),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="closed"):
            await call()


@pytest.mark.parametrize("make", STORES.values(), ids=STORES.keys())
async def test_smallest_store(make: Maker, tmp_path: Path, clock: SetClock) -> None:
    """A bound of one keeps the last anchor; a bound of none is a mistake."""
    store = make(tmp_path, clock, 1)
    await store.put("k", anchor("a"))
    await store.put("l", anchor("b"))
    assert await store.find(["k", "l"]) == {"l": [anchor("b")]}
    await store.close()
    with pytest.raises(ValueError):
        make(tmp_path, clock, 0)
