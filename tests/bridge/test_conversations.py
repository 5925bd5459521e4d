"""What the bridge remembers, over the stores it may be given: found, forgotten, swept, and missed without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from qwen_bridge.bridge import conversations as module
from qwen_bridge.bridge.conversations import Conversations, open_store
from qwen_bridge.exchange.effects import Commit, Forget
from qwen_bridge.observe.metrics import PrometheusMetrics
from qwen_bridge.ports import Anchor, ChatSummary, StoreUnavailable
from qwen_bridge.settings.settings import Settings
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.store.redis import RedisStore
from qwen_bridge.store.sqlite import SQLiteStore
from tests.harness.editor import Editor, bridge_to, settings
from tests.harness.ports import FixedClock
from tests.harness.redis_server import redis_server
from tests.harness.scrape import samples

TTL = 1000.0


def anchor(chat: str, node: str = "1") -> Anchor:
    return Anchor(chat, node, "qwen3-max", "account", "digest", 2)


class FailingStore(MemoryStore):
    """Answers only while it is well."""

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.well = False

    def _check(self) -> None:
        if not self.well:
            raise StoreUnavailable("it is not well")


@pytest.fixture(autouse=True)
def logged() -> Any:
    """What is logged, for tests that look, and for nobody else."""
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


async def test_memory_answers_before_the_store_and_goes_with_the_process() -> None:
    """What was remembered is found again by another bridge on the same store, and a dead node by neither."""
    store = MemoryStore(FixedClock())
    one, other = Conversations(store, FixedClock(), TTL), Conversations(store, FixedClock(), TTL)
    await one.remember(Commit("key", anchor("a")))
    await one.remember(Commit("key", anchor("b")))
    assert await one.find(["key"]) == await other.find(["key"]) == {"key": [anchor("a"), anchor("b")]}
    await one.remember(Forget(anchor("a"), whole_chat=False))
    await other.remember(Forget(anchor("b"), whole_chat=True))
    assert await Conversations(store, FixedClock(), TTL).find(["key"]) == {}
    assert await one.find([]) == {}


async def test_memory_holds_no_more_than_it_is_given_room_for() -> None:
    """Without a store, what was said longest ago is forgotten first."""
    known = Conversations(FailingStore(), FixedClock(), TTL, most=2)
    for name in ("a", "b", "c"):
        await known.remember(Commit(name, anchor(name)))
    assert await known.find(["a", "b", "c"]) == {"b": [anchor("b")], "c": [anchor("c")]}


async def test_a_store_that_fails_is_reported_once_and_its_return_too(logged: list[Any]) -> None:
    """A store that is out for an hour does not fill the log, and the user sees that it is back."""
    store = FailingStore()
    known = Conversations(store, FixedClock(), TTL)
    await known.find(["key"])
    await known.remember(Commit("key", anchor("a")))
    await known.sweep()
    store.well = True
    await known.find(["other"])
    await known.find(["other"])
    assert [(entry["log_level"], "answers again" in entry["event"]) for entry in logged] == [
        ("warning", False),
        ("info", True),
    ]
    assert await known.find(["key"]) == {"key": [anchor("a")]}


async def test_a_sweep_forgets_what_is_old_and_counts_what_is_left(logged: list[Any]) -> None:
    """A chat that nobody used for the time to live is gone, and handed on; the others stay."""
    clock = FixedClock()
    store, buried = MemoryStore(clock), list[str]()

    async def bury(chats: Sequence[ChatSummary]) -> None:
        buried.extend(chat.chat_id for chat in chats)

    known = Conversations(store, clock, TTL, bury)
    await known.remember(Commit("old", anchor("a")))
    clock.time += TTL
    await known.remember(Commit("young", anchor("b")))
    clock.time += 1
    await known.sweep()
    assert (buried, await known.find(["old"]), await known.find(["young"])) == (["a"], {}, {"young": [anchor("b")]})
    counts = {name: logged[-1][name] for name in ("forgotten", "anchors", "chats")}
    assert counts == {"forgotten": 1, "anchors": 1, "chats": 1}


async def test_what_happens_to_the_store_is_counted() -> None:
    """Failures, whether it is up, sweeps and what they forgot have counters."""
    store, metrics = FailingStore(), PrometheusMetrics()
    known = Conversations(store, FixedClock(), TTL)
    known.metrics = metrics
    await known.find(["key"])
    down = samples(metrics)
    assert (down["qwen_bridge_store_up"], down["qwen_bridge_store_failures_total"]) == (0, 1)
    store.well = True
    await known.sweep()
    up = samples(metrics)
    assert (up["qwen_bridge_store_up"], up["qwen_bridge_sweeps_total"]) == (1, 1)
    assert up["qwen_bridge_swept_anchors_total"] == 0


async def test_sweeps_begin_once_and_end_with_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first comes after a while, others follow, and closing waits for none."""
    monkeypatch.setattr(module, "FIRST_SWEEP", 0.0)
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    swept = asyncio.Semaphore(0)

    class Swept(MemoryStore):
        async def purge(self, older_than: float) -> int:
            swept.release()
            return await super().purge(older_than)

    known = Conversations(Swept(FixedClock()), FixedClock(), TTL)
    known.sweep_from_now_on()
    known.sweep_from_now_on()
    async with asyncio.timeout(20):
        for _ in range(3):
            await swept.acquire()
        await known.aclose()
    with pytest.raises(StoreUnavailable):
        await known._store.counts()


@pytest.mark.parametrize(
    ("chosen", "kind"),
    [
        ({"store": "memory"}, MemoryStore),
        ({"store": "sqlite"}, SQLiteStore),
        ({"store": "redis", "redis_url": "redis://127.0.0.1:1/0"}, RedisStore),
    ],
)
async def test_the_settings_choose_the_store(chosen: dict[str, Any], kind: type[object], tmp_path: Path) -> None:
    """Each by its word, bounded as the settings say."""
    made = Settings.load({"state": tmp_path, "max_anchors": 123, **chosen})
    store = open_store(made, FixedClock())
    assert type(store) is kind
    assert store._max == 123  # type: ignore[attr-defined]  # all three have it, the port has not
    await store.close()


async def test_redis_that_goes_costs_tokens_and_comes_back(tmp_path: Path, logged: list[Any]) -> None:
    """While Redis is gone, an unknown history starts a new chat with all of it; afterwards it is found again."""
    with redis_server(tmp_path, keeps=True) as server:
        clock = FixedClock()

        def store() -> RedisStore:
            return RedisStore(server.url, clock, ttl=TTL)

        async with Simulator() as simulator:
            async with bridge_to(simulator.url, store()) as first:
                editor = Editor(first, simulator.url)
                await editor.say("remember: red")
            for gone, route in ((server.kill, "miss reason=unknown_history"), (server.start, "hit depth=2/3")):
                gone()
                async with bridge_to(simulator.url, store()) as restarted:
                    again = Editor(restarted, simulator.url)
                    again.history = list(editor.history)
                    assert "red" in await again.say("what should you remember")
                    assert again.routes[0].startswith(route)
    warnings = [entry for entry in logged if entry["log_level"] == "warning"]
    assert len(warnings) == 1


def test_settings_of_a_bridge_reach_its_conversations() -> None:
    """The time to live is the user's."""
    assert settings("http://127.0.0.1:1", conversation_ttl=3600).conversation_ttl == 3600
