"""A running simulator and a browser that looks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from qwen_bridge.simulator.server import Simulator
from tests.harness.qwen_browser import Browser, browser_at


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def browser(simulator: Simulator) -> AsyncIterator[Browser]:
    async with browser_at(simulator) as opened:
        yield opened
