"""What the contract cannot see of the store in memory."""

from __future__ import annotations

from qwen_bridge.ports import Anchor
from qwen_bridge.store.memory import MemoryStore
from tests.store.clock import SetClock


async def test_results_are_the_callers_own() -> None:
    """A list that was handed out may be changed without changing the store."""
    store = MemoryStore(SetClock())
    await store.put("k", Anchor("c", "n", "m", "a", "i", 2))
    (await store.find(["k"]))["k"].clear()
    assert len((await store.find(["k"]))["k"]) == 1
