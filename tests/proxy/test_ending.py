"""The end of one addon, inside a mitmproxy of the test's own. With real signals: `tests/e2e/test_ending.py`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from qwen_bridge.proxy import ending
from qwen_bridge.simulator.server import Simulator
from tests.harness.wire import CHAT, addon_of, failure, question, road, until

ENDLESS = {"text": "an answer that takes its time " * 200, "chunk": 1, "pace": 20}


async def test_a_program_that_has_no_handlers_keeps_its_own(tmp_path: Path) -> None:
    """Inside somebody else's program the addon takes no signal over."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    async with Simulator() as simulator, road(simulator, tmp_path):
        assert {number: signal.getsignal(number) for number in before} == before


async def test_handlers_of_the_loop_are_replaced(tmp_path: Path) -> None:
    """Where mitmproxy's own stand, the signal begins the end in good order, and mitmproxy ends after it."""
    loop, theirs = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, theirs.set)
    try:
        async with Simulator() as simulator, road(simulator, tmp_path) as (proxy, _):
            signal.raise_signal(signal.SIGTERM)
            await until(lambda: addon_of(proxy)._ending.refusal(), "the end has begun")
            await until(lambda: addon_of(proxy)._bridge is None, "all is closed")
            assert not theirs.is_set()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_what_does_not_end_in_time_is_told(tmp_path: Path) -> None:
    """Without patience the answer under way ends with an error event at the next look, and Qwen is told to stop."""
    async with Simulator() as simulator, road(simulator, tmp_path) as (proxy, http):
        simulator.script([ENDLESS])
        async with http.stream("POST", CHAT, json=question(stream=True)) as answer:
            addon_of(proxy)._ending.begin()
            assert failure(await answer.aread()) == "bridge_shutting_down"
        await until(lambda: simulator.ledger.turns[0].aborted, "the answer is stopped")


async def test_a_close_that_hangs_does_not_keep_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cannot be closed in time is left, and mitmproxy ends."""
    monkeypatch.setattr(ending, "GRACE", 0.01)
    async with Simulator() as simulator, road(simulator, tmp_path) as (proxy, _):
        addon = addon_of(proxy)
        monkeypatch.setattr(addon._ending, "_close", asyncio.Event().wait)
        addon._ending.begin()
        task = addon._ending._task
        assert task is not None
        await task
