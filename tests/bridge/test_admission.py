"""Requests that wait for their account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from qwen_bridge.bridge import admission
from qwen_bridge.bridge.admission import Admission
from qwen_bridge.bridge.bridge import Bridge
from qwen_bridge.errors import BridgeError, QueueFull, QueueTimeout
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.recovery.pacing import Pace
from qwen_bridge.simulator.server import Simulator
from tests.exchange.driving import Driver, asking
from tests.harness.editor import bridge_to, driven, post, said
from tests.harness.ports import FixedClock


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LOOK", 0.001)


def exchanges(number: int) -> Iterator[Exchange]:
    """Exchanges on one account, each with a ticket of its own."""
    for n in range(number):
        exchange = Driver(asking()).exchange
        exchange.request_id = f"req_{n}"
        yield exchange


@pytest.mark.usefixtures("_impatient")
async def test_who_waits_is_told_how_many_go_before() -> None:
    """The place stands in the comments and headers for the client, then how long it took."""
    clock = FixedClock()
    gate = Admission(Pace(1, 0.0, 10), 60.0, clock)
    first, second, third = exchanges(3)
    assert [await gate.admit(each) for each in (first, second, third)] == [True, False, False]
    assert [each.standing for each in (first, second, third)] == ["", "queued ahead=0", "queued ahead=1"]
    assert b": queued ahead=1\n" in b"".join(
        getattr(effect, "chunk", b"") for now in (0.0, 15.0) for effect in third.tick(now)
    )
    clock.time += 2.5
    gate.release(first)
    assert await gate.admit(second)
    assert second.standing == "served waited=2.5"
    assert dict(second.refuse(QueueFull(""))[0].headers)["x-qwen-bridge-queue"] == "served waited=2.5"  # type: ignore[union-attr]


async def test_a_turn_that_comes_wakes_the_one_that_waits() -> None:
    """Nobody sleeps through the moment in which a slot is given back."""
    gate = Admission(Pace(1, 0.0, 10), 60.0, FixedClock())
    first, second = exchanges(2)
    assert await gate.admit(first)
    waiting = asyncio.create_task(gate.admit(second))
    await asyncio.sleep(0)
    gate.release(first)
    assert await waiting


async def test_a_client_that_leaves_wakes_its_own_request_only() -> None:
    """It returns without a turn, at once, and the others wait on."""
    gate = Admission(Pace(1, 0.0, 10), 60.0, FixedClock())
    first, second, third = exchanges(3)
    assert await gate.admit(first)
    waiting, other = asyncio.create_task(gate.admit(second)), asyncio.create_task(gate.admit(third))
    await asyncio.sleep(0)
    gate.wake(second.request_id)
    assert not await waiting
    assert not other.done()
    gate.release(second)
    gate.release(first)
    assert await other


@pytest.mark.usefixtures("_impatient")
async def test_a_full_queue_and_a_long_wait_are_told() -> None:
    """Who cannot be served in time hears it, with a time to come again."""
    clock = FixedClock()
    gate = Admission(Pace(1, 0.0, 1), 5.0, clock)
    running, waiting, late = exchanges(3)
    assert await gate.admit(running)
    assert not await gate.admit(waiting)
    with pytest.raises(QueueFull) as full:
        await gate.admit(late)
    assert full.value.retry_after
    clock.time += 5
    assert not await gate.admit(waiting)
    clock.time += 1
    with pytest.raises(QueueTimeout, match="busy for 5 seconds") as long:
        await gate.admit(waiting)
    assert long.value.retry_after


@pytest.mark.usefixtures("_impatient")
async def test_a_question_keeps_its_distance_to_the_one_before() -> None:
    """The second on one account is put when its moment has come, and not counted as Qwen's silence."""
    clock = FixedClock()
    gate = Admission(Pace(2, 3.0, 0), 5.0, clock)
    first, second = exchanges(2)
    assert await gate.pause(first)
    assert await gate.admit(first)
    assert await gate.admit(second)
    assert await gate.pause(first)
    assert not await gate.pause(second)
    clock.time += 3
    assert await gate.pause(second)


async def test_who_stands_far_back_looks_up_seldom() -> None:
    """A second at the head, more behind it, and never so long that its client would miss a comment."""
    gate = Admission(Pace(1, 0.0, 300), 60.0, FixedClock(), longest=5.0)
    waiting = [asyncio.create_task(gate.admit(each)) for each in exchanges(202)]
    await asyncio.sleep(0)
    assert [gate.patience(f"req_{number}") for number in (1, 21, 61, 201)] == [1.0, 2.0, 4.0, 5.0]
    for task in waiting[1:]:
        task.cancel()
    assert await waiting[0]


@pytest.mark.slow
async def test_a_thousand_on_one_account_are_served_in_turns_or_told_no() -> None:
    """A client with 950 requests delays the 50 others by one round, and makes room for them; no 429 is for a few."""
    served: list[str] = []

    async def ask(bridge: Bridge, url: str, client: str, number: int) -> int:
        call = post({"model": "gpt-4o", "messages": said(f"question {number} of {client}")}, client)
        exchange = await bridge.open(call, bridge.request_id())
        assert isinstance(exchange, Exchange)
        try:
            while not await bridge.admit(exchange):
                pass
            served.append(client)
            return (await driven(bridge, exchange, url)).status
        except BridgeError as error:
            return error.status
        finally:
            bridge.release(exchange)

    async with Simulator() as simulator, bridge_to(simulator.url, account_streams=2, queue_limit=900) as bridge:
        many = [asyncio.create_task(ask(bridge, simulator.url, "many", n)) for n in range(950)]
        await asyncio.sleep(0)
        few = [asyncio.create_task(ask(bridge, simulator.url, f"few {n}", n)) for n in range(50)]
        statuses, others = [await task for task in many], [await task for task in few]
        refused = simulator.ledger.to_json()["refused"]
    assert (statuses.count(200), statuses.count(429)) == (852, 98)
    assert others == [200] * 50
    assert refused == []
    last = max(place for place, client in enumerate(served) if client != "many")
    assert last <= 2 + 51  # two ran already, then one round of everybody


@pytest.mark.parametrize("room", [0, 9])
async def test_one_bad_account_does_not_stall_the_others(room: int) -> None:
    """Whether its answers never end or its queue is full, another account's request goes."""
    gate = Admission(Pace(1, 60.0, room), 60.0, FixedClock())
    bad, worse, good = exchanges(3)
    good.question.scope = replace(good.question.scope, account="another")
    assert await gate.admit(bad)
    assert await gate.pause(bad)
    waiting = asyncio.create_task(gate.admit(worse))
    await asyncio.sleep(0)
    assert await gate.admit(good)
    assert await gate.pause(good)
    gate.release(bad)
    if not room:
        with pytest.raises(QueueFull):
            await waiting
    else:
        assert await waiting
