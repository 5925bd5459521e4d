"""Chats in which another bridge is answering; with two processes: tests/e2e/test_shared_store.py."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from qwen_bridge.bridge import leases
from qwen_bridge.bridge.leases import Leases
from qwen_bridge.bridge.machine import RandomIds
from qwen_bridge.ports import StoreUnavailable
from qwen_bridge.store.memory import MemoryStore
from tests.harness.ports import FixedClock
from tests.harness.wire import until


class Shared(MemoryStore):
    """A store that several bridges share; `out`: it does not answer. Nothing expires here but by `expire`."""

    __slots__ = ("asked", "held", "out", "slow")

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.held: dict[str, str] = {}
        self.asked = 0
        self.out = False
        self.slow = 0.0

    async def lease(self, chat_id: str, holder: str, seconds: float) -> bool:
        self.asked += 1
        if self.out:
            raise StoreUnavailable("gone")
        return self.held.setdefault(chat_id, holder) == holder

    async def give_back(self, chat_id: str, holder: str) -> None:
        await asyncio.sleep(self.slow)
        if self.out:
            raise StoreUnavailable("gone")
        if self.held.get(chat_id) == holder:
            del self.held[chat_id]


@pytest.fixture
def store() -> Shared:
    return Shared()


@pytest.fixture
async def ours(store: Shared) -> AsyncIterator[Leases]:
    made = Leases(store, RandomIds())
    yield made
    await made.aclose()


@pytest.fixture
async def theirs(store: Shared) -> AsyncIterator[Leases]:
    made = Leases(store, RandomIds())
    yield made
    await made.aclose()


async def freed(store: Shared) -> None:
    await until(lambda: not store.held, "all is given back")


async def test_one_bridge_answers_in_a_chat(store: Shared, ours: Leases, theirs: Leases) -> None:
    """The other gets it when the first is through, and not before."""
    assert await ours.take("a", "chat")
    assert not await theirs.take("b", "chat")
    theirs.give("b")
    assert not await theirs.take("b", "chat")
    ours.give("a")
    ours.give("a")
    await freed(store)
    assert await theirs.take("b", "chat")


async def test_requests_of_one_bridge_share_its_lease(store: Shared, ours: Leases, theirs: Leases) -> None:
    """Who comes next within it is its own affair; the last one gives it back."""
    assert await ours.take("a", "chat")
    assert await ours.take("a", "chat")
    assert await ours.take("b", "chat")
    ours.give("a")
    await asyncio.sleep(0)
    assert not await theirs.take("c", "chat")
    ours.give("b")
    await freed(store)


async def test_a_lease_that_is_going_is_not_taken_along(store: Shared, ours: Leases, theirs: Leases) -> None:
    """The next turn comes while the last one's lease is being given back: it has one of its own in the end."""
    store.slow = 0.01
    assert await ours.take("a", "chat")
    ours.give("a")
    assert await ours.take("b", "chat")
    await asyncio.sleep(0.03)
    assert not await theirs.take("c", "chat")


async def test_a_chat_is_free_when_its_answer_is_stopped(store: Shared, ours: Leases, theirs: Leases) -> None:
    """What still runs there would be stopped by whoever comes next."""
    stopped = asyncio.Event()

    async def stop() -> None:
        await stopped.wait()

    assert await ours.take("a", "chat")
    ours.give("a", asyncio.create_task(stop()))
    await asyncio.sleep(0.01)
    assert not await theirs.take("b", "chat")
    stopped.set()
    await freed(store)


async def test_a_lease_is_renewed_while_its_answer_runs(
    store: Shared, ours: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that has been lost, for the bridge slept, is told of."""
    monkeypatch.setattr(leases, "RENEW", 0.001)
    assert await ours.take("a", "chat")
    await until(lambda: store.asked >= 3, "it is renewed")
    store.held.clear()
    await until(lambda: store.held, "it is held again")
    store.held["chat"] = "another"
    with capture_logs() as logged:
        after = store.asked
        await until(lambda: store.asked >= after + 5, "it is tried again and again")
    assert [line["event"] for line in logged] == ["another bridge has taken a chat that this one answers in"]
    ours.give("a")
    await ours.aclose()
    assert store.held == {"chat": "another"}


async def test_without_a_store_nobody_waits(store: Shared, ours: Leases) -> None:
    """Neither for the lease nor for its end."""
    store.out = True
    assert await ours.take("a", "chat")
    ours.give("a")
    await ours.aclose()


async def test_a_bridge_that_ends_leaves_none(store: Shared, ours: Leases) -> None:
    """Also of requests that have not been released."""
    assert await ours.take("a", "chat")
    assert await ours.take("b", "other")
    await ours.aclose()
    assert not store.held


async def test_a_bridge_that_ends_waits_for_no_stop(store: Shared, ours: Leases) -> None:
    """Qwen may keep it waiting longer than there is time, and the store is still to be closed."""
    assert await ours.take("a", "chat")
    never = asyncio.create_task(asyncio.Event().wait())
    ours.give("a", never)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.wait_for(ours.aclose(), 1)
    assert not store.held
    never.cancel()


async def test_requests_may_come_and_go_at_any_moment(store: Shared, ours: Leases, theirs: Leases) -> None:
    """Six clients of two bridges at one chat, broken off anywhere: never two bridges in it, none left in the end."""
    chance, inside, answered = random.Random(7), Counter[str](), Counter[str]()

    async def request(name: str, side: Leases) -> None:
        for turn in range(100):
            ticket = f"{name}/{turn}"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.choice([0.001, 0.003, 1])):
                    if await side.take(ticket, "chat"):
                        inside[name[0]] += 1
                        try:
                            assert len(+inside) == 1
                            await asyncio.sleep(chance.random() / 1000)
                        finally:
                            inside[name[0]] -= 1
                            answered[name[0]] += 1
            side.give(ticket)
            await asyncio.sleep(chance.random() / 200)

    store.slow = 0.001
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(request(f"o{number}", ours))
            group.create_task(request(f"t{number}", theirs))
    await freed(store)
    assert answered["o"] > 0 < answered["t"]
    assert not ours._going
    assert not ours._held
