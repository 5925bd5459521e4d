from __future__ import annotations

from tests.contexts.growth import FIRST, Cost, instructions, measured, question, table


async def test_a_growing_conversation_costs_what_is_new() -> None:
    """After the first turn each costs a few kilobytes, whatever came before; sending it whole costs more and more."""
    costs = await measured(8)
    assert costs[0].continued == costs[0].resent > FIRST
    assert max(cost.continued for cost in costs[1:]) < 6_000
    assert [cost.resent for cost in costs] == sorted(cost.resent for cost in costs)
    assert costs[-1].continued < costs[-1].resent / 10


def test_the_first_turn_has_the_size_that_is_asked_for() -> None:
    """Instructions and task are 39 KB together, as an agent's are."""
    assert FIRST - 100 < len(instructions(0)) + len(question(0)) <= FIRST


def test_the_table_has_a_sum() -> None:
    """A line for each turn, and one for all."""
    assert table([Cost(10, 10), Cost(10, 30)]).splitlines()[-1] == "all | 20 | 40 | 50.0%"
