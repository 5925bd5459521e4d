"""Whose a request is, before anything of it is read."""

from __future__ import annotations

import pytest

from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.door import Door
from qwen_bridge.proxy.guard import Guard
from qwen_bridge.proxy.network import Network
from qwen_bridge.proxy.turn import Turn
from qwen_bridge.settings.settings import Settings
from tests.proxy.test_guard import context, request
from tests.proxy.test_turn import bang, bridge


async def test_the_desk_makes_turns_for_what_is_ours() -> None:
    """A base URL gets a turn, somebody else's request none."""
    shared = bridge()
    chosen = Settings.load()
    desk = Desk(Guard(chosen), Door.of(chosen), Network(chosen), {}, lambda: Turn(shared), 1.0)
    assert isinstance(desk.turn_for(context(), request("", host="bridge")), Turn)
    assert desk.turn_for(context(), request("example.com")) is None


async def test_what_cannot_be_judged_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that fails must not let a request through to where it was meant for."""
    monkeypatch.setattr(Guard, "claims", bang)
    shared = bridge()
    chosen = Settings.load()
    desk = Desk(Guard(chosen), Door.of(chosen), Network(chosen), {}, lambda: Turn(shared), 1.0)
    assert isinstance(desk.turn_for(context(), request("example.com")), Turn)
