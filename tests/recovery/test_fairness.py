"""Turns in a queue."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.recovery.fairness import FairQueue

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from("abc"), st.sampled_from("xyz")),
        st.tuples(st.sampled_from(("pop", "remove"))),
    ),
    max_size=60,
)


def drained(queue: FairQueue) -> list[str]:
    return [queue.pop() for _ in range(len(queue))]


def test_a_client_with_many_requests_does_not_hold_up_one_with_few() -> None:
    """Whoever comes behind nine hundred of somebody else is served second."""
    queue = FairQueue()
    for number in range(900):
        queue.push(f"many {number}", ("many", "chat"))
    queue.push("few", ("few", "chat"))
    assert queue.ahead("few") == 1
    assert drained(queue)[:3] == ["many 0", "few", "many 1"]


def test_turns_are_taken_on_every_level() -> None:
    """Clients alternate, and among the requests of one client its conversations do."""
    queue = FairQueue()
    for ticket in ("a1x", "a1y", "a2x", "b1x", "b1y"):
        queue.push(ticket, ticket[:2])
    assert drained(queue) == ["a1x", "b1x", "a2x", "b1y", "a1y"]


def test_one_lane_is_served_in_the_order_of_coming() -> None:
    """Nobody overtakes within a conversation, and a ticket that comes twice keeps its place."""
    queue = FairQueue()
    for ticket in "abca":
        queue.push(ticket, ("client",))
    assert drained(queue) == ["a", "b", "c"]


def test_room_is_made_by_the_one_who_takes_most() -> None:
    """The last of the longest lane goes, also for a newcomer's first; who takes as much himself gets nothing."""
    queue = FairQueue()
    for ticket in ("a1", "a2", "a3", "b1"):
        queue.push(ticket, (ticket[0], "chat"))
    assert queue.displaced_by(("a", "chat")) is None
    assert queue.displaced_by(("c", "chat")) == "a3"
    assert queue.displaced_by(("b", "chat")) is None
    assert drained(queue) == ["a1", "b1", "a2"]
    assert queue.displaced_by(("c", "chat")) is None


def test_nobody_waits() -> None:
    """An empty queue has nobody to serve and nobody to remove."""
    queue = FairQueue()
    assert not queue.remove("a")
    with pytest.raises(KeyError):
        queue.pop()


@given(STEPS, st.randoms(use_true_random=False))
def test_places_are_told_truly_and_nobody_is_lost(steps: list[tuple[str, ...]], draw: random.Random) -> None:
    """Whatever comes and goes: everyone is served once, just when `ahead` said, and no empty lane is kept."""
    queue, expected = FairQueue(), set[str]()
    for number, step in enumerate(steps):
        if step[0] == "push":
            queue.push(f"t{number}", step[1:])
            expected.add(f"t{number}")
        elif expected and step[0] == "pop":
            expected.remove(queue.pop())
        elif expected:
            leaver = draw.choice(sorted(expected))
            assert queue.remove(leaver)
            assert leaver not in queue
            expected.remove(leaver)
    told = {ticket: queue.ahead(ticket) for ticket in expected}
    order = drained(queue)
    assert {ticket: order.index(ticket) for ticket in order} == told
    assert not queue._top.members
    assert not queue._lanes
