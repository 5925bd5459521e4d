"""Slots and queues per account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import QueueFull
from qwen_bridge.recovery.pacing import FIRST_GUESS, LONGEST_ADVICE, Pace, Pacer


def test_the_third_waits_until_one_of_two_leaves() -> None:
    """Two go at once; the next goes when a slot is free, and is named by the one that leaves."""
    pacer = Pacer(Pace(2, 0.0, 10))
    for ticket in "abcd":
        pacer.enter("account", ticket, now=0.0)
    assert [pacer.may_go(ticket) for ticket in "abcd"] == [True, True, False, False]
    assert pacer.leave("b", now=0.0) == ["c"]
    assert [pacer.may_go(ticket) for ticket in "acd"] == [True, True, False]


def test_accounts_do_not_wait_for_each_other() -> None:
    """One busy account leaves another's slots alone."""
    pacer = Pacer(Pace(1, 0.0, 10))
    pacer.enter("one", "a", now=0.0)
    pacer.enter("one", "b", now=0.0)
    pacer.enter("two", "c", now=0.0)
    assert pacer.may_go("c")
    assert not pacer.may_go("b")


def test_who_leaves_the_queue_is_forgotten() -> None:
    """A waiting ticket that leaves takes no slot later."""
    pacer = Pacer(Pace(1, 0.0, 10))
    for ticket in "abc":
        pacer.enter("account", ticket, now=0.0)
    pacer.leave("b", now=0.0)
    pacer.leave("a", now=0.0)
    assert pacer.may_go("c")
    assert not pacer.may_go("b")


def test_a_full_queue_says_when_to_come_back() -> None:
    """The queue is bounded; beyond it the client gets a 429 with a time."""
    pacer = Pacer(Pace(1, 0.0, 1))
    pacer.enter("account", "a", now=0.0)
    pacer.enter("account", "b", now=0.0)
    with pytest.raises(QueueFull) as refused:
        pacer.enter("account", "c", now=0.0)
    assert refused.value.retry_after
    assert not pacer.may_go("c")


def test_the_wait_is_measured_from_the_first_coming() -> None:
    """A ticket that asks again has waited since it came; with a slot it waits no longer."""
    pacer = Pacer(Pace(1, 0.0, 10))
    pacer.enter("account", "a", now=1.0)
    pacer.enter("account", "b", now=2.0)
    pacer.enter("account", "b", now=5.0)
    assert pacer.waited("b", now=9.0) == 7.0
    assert pacer.waited("a", now=9.0) == 0.0
    assert pacer.waited("nobody", now=9.0) == 0.0
    pacer.leave("a", now=9.0)
    assert pacer.waited("b", now=12.0) == 7.0


def test_entering_again_keeps_the_place() -> None:
    """A retry of one request is the same ticket."""
    pacer = Pacer(Pace(1, 0.0, 10))
    for ticket in ("a", "b", "a", "b"):
        pacer.enter("account", ticket, now=0.0)
    pacer.leave("a", now=0.0)
    assert pacer.may_go("b")


def test_without_a_limit_everybody_goes() -> None:
    """Zero means no limit."""
    pacer = Pacer(Pace(0, 0.0, 0))
    for ticket in "abcdef":
        pacer.enter("account", ticket, now=0.0)
    assert all(pacer.may_go(ticket) for ticket in "abcdef")


def test_a_chat_is_busy_for_others_until_its_holder_leaves() -> None:
    """One answer at a time runs in a chat; its own request may ask again there."""
    pacer = Pacer(Pace(0, 0.0, 0))
    pacer.enter("account", "a", now=0.0)
    pacer.hold("chat", "a")
    assert pacer.busy("a") == frozenset()
    assert pacer.busy("b") == {"chat"}
    pacer.leave("a", now=0.0)
    assert pacer.busy("b") == frozenset()


def test_a_ticket_holds_one_chat() -> None:
    """After a restart in a new chat the old one is free."""
    pacer = Pacer(Pace(0, 0.0, 0))
    pacer.hold("old", "a")
    pacer.hold("new", "a")
    assert pacer.busy("b") == {"new"}


deeds = st.lists(st.tuples(st.sampled_from(["enter", "leave"]), st.sampled_from("xy"), st.sampled_from("abcdef")))


@given(st.integers(1, 3), deeds)
def test_never_more_than_the_limit_and_never_an_idle_slot(limit: int, steps: list[tuple[str, str, str]]) -> None:
    """Whatever happens, no account runs more than its limit, and nobody waits while a slot is free."""
    pacer = Pacer(Pace(limit, 0.0, 3))
    inside: dict[str, str] = {}
    for deed, account, ticket in steps:
        if deed == "leave":
            pacer.leave(ticket, now=0.0)
            inside.pop(ticket, None)
        elif ticket not in inside:
            try:
                pacer.enter(account, ticket, now=0.0)
            except QueueFull:
                continue
            inside[ticket] = account
        for name in "xy":
            tickets = [t for t, a in inside.items() if a == name]
            running = sum(pacer.may_go(t) for t in tickets)
            assert running == min(limit, len(tickets))


def test_turns_are_taken_between_lanes() -> None:
    """Somebody else's second request goes after my first, and places are counted so."""
    pacer = Pacer(Pace(1, 0.0, 10))
    for ticket, lane in (("a", "one"), ("b", "one"), ("c", "one"), ("d", "two")):
        pacer.enter("account", ticket, now=0.0, lane=(lane,))
    assert [pacer.ahead(ticket) for ticket in "abcd"] == [0, 0, 2, 1]
    assert [pacer.leave(ticket, now=0.0) for ticket in "abd"] == [["b"], ["d"], ["c"]]


def test_questions_keep_their_distance() -> None:
    """The second waits, the third twice as long; a moment once booked stays, whoever comes in between."""
    pacer = Pacer(Pace(0, 2.0, 0))
    for ticket in "abc":
        pacer.enter("account", ticket, now=0.0)
    assert [pacer.pause(ticket, now=10.0) for ticket in "abc"] == [0.0, 2.0, 4.0]
    assert [pacer.pause(ticket, now=13.0) for ticket in "cb"] == [1.0, 0.0]
    assert pacer.pause("b", now=13.0) == 3.0
    assert pacer.pause("nobody", now=13.0) == 0.0


def test_the_distance_outlives_those_who_keep_it() -> None:
    """An account that nobody uses any more is still not asked too soon."""
    pacer = Pacer(Pace(1, 2.0, 0))
    pacer.enter("account", "a", now=0.0)
    assert pacer.pause("a", now=0.0) == 0.0
    pacer.leave("a", now=0.5)
    pacer.enter("account", "b", now=0.5)
    pacer.enter("other", "c", now=0.5)
    assert (pacer.pause("b", now=0.5), pacer.pause("c", now=0.5)) == (1.5, 0.0)


def test_advice_follows_what_answers_take() -> None:
    """Before any answer it is a guess, then longer with each that waits, and never beyond the longest."""
    pacer = Pacer(Pace(1, 0.0, 100))
    assert pacer.advice("nobody") == FIRST_GUESS
    pacer.enter("account", "a", now=0.0)
    assert pacer.advice("a") == FIRST_GUESS
    pacer.enter("account", "b", now=0.0)
    pacer.leave("a", now=2.0)
    assert pacer.advice("b") == FIRST_GUESS * 3 / 4 + 2.0 / 4
    for number in range(100):
        pacer.enter("account", str(number), now=2.0)
    assert pacer.advice("b") == LONGEST_ADVICE


def test_who_loses_its_place_hears_it_and_stays_out() -> None:
    """A full queue makes room for a lane that has less; the displaced ticket is named, told no, and forgotten."""
    pacer = Pacer(Pace(1, 0.0, 2))
    for ticket in "abc":
        pacer.enter("account", ticket, now=0.0, lane=("one",))
    assert pacer.enter("account", "d", now=0.0, lane=("two",)) == "c"
    with pytest.raises(QueueFull):
        pacer.enter("account", "c", now=0.0, lane=("one",))
    assert pacer.leave("a", now=0.0) == ["b"]
    pacer.leave("c", now=0.0)
    assert pacer.enter("account", "c", now=0.0, lane=("one",)) is None


def test_who_leaves_gives_the_booked_moment_back() -> None:
    """A hundred clients that leave before their question is due keep nobody waiting afterwards; what was asked counts,
    and so do those who still wait.
    """
    pacer = Pacer(Pace(streams=0, spacing=2.0, room=0))
    for ticket in ("first", "waits", *map(str, range(100))):
        pacer.enter("account", ticket, 10.0)
    assert pacer.pause("first", now=10.0) == 0.0
    assert pacer.pause("waits", now=10.0) == 2.0
    for ticket in map(str, range(100)):
        pacer.pause(ticket, now=10.0)
    for ticket in map(str, range(100)):
        pacer.leave(ticket, 10.0)
    pacer.enter("account", "next", 10.0)
    assert pacer.pause("next", now=10.0) == 4.0
    pacer.leave("next", 10.0)
    pacer.leave("waits", 10.0)
    pacer.enter("account", "another", 10.0)
    assert pacer.pause("another", now=10.0) == 2.0
