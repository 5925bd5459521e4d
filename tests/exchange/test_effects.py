from __future__ import annotations

import dataclasses
from typing import Any, get_args

import pytest

from qwen_bridge.exchange.effects import Again, Ask, Begin, Commit, Data, Effect, End, Forget, Stop
from qwen_bridge.ports import Anchor

ANCHOR = Anchor("c", "p", "m", "a", "i", 2)
ALL: list[Any] = [
    Begin(200, ()),
    Data(b"x"),
    End(),
    Again(1.0),
    Commit("k", ANCHOR),
    Forget(ANCHOR, True),
    Stop("c", "r"),
]


def test_the_set_of_effects_is_closed() -> None:
    """A driver that carries out these seven carries out everything; a question is an order, not an effect."""
    assert {type(effect) for effect in ALL} == set(get_args(Effect.__value__))
    assert Ask not in get_args(Effect.__value__)


@pytest.mark.parametrize("value", [*ALL, Ask("POST", "/", (), b"")], ids=lambda value: type(value).__name__)
def test_an_effect_is_a_value(value: Any) -> None:
    """Effects are equal by what they say, can be kept in a set, and never change."""
    same = dataclasses.replace(value)
    assert value == same
    assert len({value, same}) == 1
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
