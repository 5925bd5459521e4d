from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from qwen_bridge.bridge.caching import HEADER, Caching, marks
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.replay import Replay
from qwen_bridge.simulator.server import Simulator
from tests.exchange.driving import Driver, asking
from tests.harness.editor import bridge_to, driven, post, said, settings
from tests.harness.ports import FixedClock

QUESTION = said("count to 3")


async def ask(bridge: Any, url: str, *, key: str = "sk-mine", wish: str = "", **more: Any) -> str:
    """One request; the word of the cache's header, empty without one. A replay must take no slot of the account."""
    call = post({"model": "gpt-4o", "messages": QUESTION, **more}, key)
    call = replace(call, headers={**call.headers, "cache-control": wish})
    exchange = await bridge.open(call, bridge.request_id())
    if isinstance(exchange, Replay):
        told: Any = [effect for _ in range(500) for effect in exchange.go_on()]
        head = dict(told[0].headers)
    else:
        assert await bridge.admit(exchange)
        head = (await driven(bridge, exchange, url)).headers
    bridge.release(exchange)
    return str(head.get(HEADER, ""))


async def test_the_second_time_qwen_is_not_asked() -> None:
    """The first answer is kept, and told to the same request, streamed or not."""
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60) as bridge:
        words = [await ask(bridge, simulator.url), await ask(bridge, simulator.url, stream=True)]
        assert words == ["miss", "hit"]
        assert len(simulator.ledger.turns) == 1


async def test_it_is_off_by_default() -> None:
    """Nobody's words are held in memory who did not ask for it."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        assert [await ask(bridge, simulator.url), await ask(bridge, simulator.url)] == ["", ""]
        assert len(simulator.ledger.turns) == 2


async def test_an_answer_grows_old() -> None:
    """After `cache_ttl` seconds Qwen is asked again."""
    clock = FixedClock()
    async with Simulator() as simulator, bridge_to(simulator.url, clock=clock, cache_ttl=60) as bridge:
        words = [await ask(bridge, simulator.url)]
        clock.time += 59
        words.append(await ask(bridge, simulator.url))
        clock.time += 2
        words.append(await ask(bridge, simulator.url))
        assert words == ["miss", "hit", "miss"]


async def test_another_client_hears_nothing_of_it() -> None:
    """The key a client sends keeps answers apart as it keeps conversations."""
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60) as bridge:
        words = [await ask(bridge, simulator.url, key=key) for key in ("sk-mine", "sk-theirs", "sk-mine")]
        assert words == ["miss", "miss", "hit"]


async def test_a_history_with_an_answer_is_always_qwens() -> None:
    """A conversation that continues is neither answered from memory nor kept."""
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60) as bridge:
        history = said("count to 3", "1, 2, 3", "count to 4")
        assert [await ask(bridge, simulator.url, messages=history) for _ in range(2)] == ["", ""]
        assert len(simulator.ledger.turns) == 2


@pytest.mark.parametrize(
    ("wish", "words", "asked"),
    [
        ("no-cache", ["miss", "miss", "hit"], 2),
        ("no-store, max-age=0", ["", "", "miss"], 3),
        ("", ["miss", "hit", "hit"], 1),
    ],
)
async def test_a_clients_wish_is_heeded(wish: str, words: list[str], asked: int) -> None:
    """`no-cache` asks anew and keeps the new answer, `no-store` leaves the memory alone."""
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60) as bridge:
        first = [await ask(bridge, simulator.url, wish=wish) for _ in range(2)]
        assert [*first, await ask(bridge, simulator.url)] == words
        assert len(simulator.ledger.turns) == asked


async def test_a_side_request_whose_chat_is_deleted_is_not_kept() -> None:
    """Nothing remains of a chat that is cleared away."""
    title = [{"role": "system", "content": "You are a title generator"}, *QUESTION]
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60, delete_chats="side") as bridge:
        assert [await ask(bridge, simulator.url, messages=title) for _ in range(2)] == ["", ""]


async def test_a_replay_is_no_word_about_the_session() -> None:
    """A session that rests is not well again because an answer was told from memory."""
    async with Simulator() as simulator, bridge_to(simulator.url, cache_ttl=60) as bridge:
        await ask(bridge, simulator.url)
        judged: list[object] = []
        bridge._cooldown.judge = lambda *told: judged.append(told) or ""  # type: ignore[method-assign, func-returns-value]
        assert await ask(bridge, simulator.url) == "hit"
        assert judged == []


def test_what_cannot_be_named_is_answered_as_ever() -> None:
    """A body too deep to be written again costs no more than the cache."""
    caching = Caching(settings("http://127.0.0.1:1", cache_ttl=60), FixedClock())
    deep = b'{"model": "m", "extra": ' + b"[" * 300 + b"]" * 300 + b"}"
    assert caching.manner(Driver(asking()).question, {}, deep) is Exchange
    assert isinstance(caching.manner(Driver(asking()).question, {}, b'{"model": "m"}'), partial)


def test_no_mark_without_a_cache() -> None:
    """Answers that are never kept say nothing of it."""
    assert marks(Driver(asking()).exchange) == ()
