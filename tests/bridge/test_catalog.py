from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from qwen_bridge.bridge.catalog import FRESH_FOR, STALE_FOR, Catalog
from qwen_bridge.errors import MissingCredentials, QwenUnreachable, UnknownModel
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.upstream.client import QwenClient
from tests.harness.odd import Odd, odd
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.sockets import free_port

SESSION = Credentials("sim-token", "", "sim-umid", "Mozilla/5.0")
ALIASES = {"fast": "qwen3-coder-plus", "gpt-4o": "qwen3.7-plus", "odd": "no-such-model"}
ONE = json.dumps({"data": [{"id": "qwen-one", "name": "One"}, {"id": "qwen-one", "name": "One again"}]}).encode()
"""A list with a model that stands in it twice."""


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """No pauses between attempts."""
    with stamina.set_testing(True):
        yield


@contextlib.asynccontextmanager
async def catalog_at(url: str, clock: FixedClock | None = None) -> AsyncIterator[Catalog]:
    clock = clock or FixedClock()
    client = QwenClient(url, clock, CountedIds())
    try:
        yield Catalog(client, clock, ALIASES, "qwen3-max", CoolDown(900.0))
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def counted(clock: FixedClock) -> AsyncIterator[tuple[Catalog, Odd]]:
    """A catalog whose server keeps what it was asked."""
    async with odd(ONE) as (url, server), catalog_at(url, clock) as catalog:
        yield catalog, server


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("qwen3-coder-plus", "qwen3-coder-plus"),
        ("Qwen3-Coder-Plus", "qwen3-coder-plus"),
        ("openai/qwen3.7-plus", "qwen3.7-plus"),
        ("fast", "qwen3-coder-plus"),
        ("gpt-4o", "qwen3.7-plus"),
        ("gpt-5-mini", "qwen3-max"),
        ("openai/gpt-5-mini", "qwen3-max"),
        ("openai/codex-mini", "qwen3-max"),
        ("o3", "qwen3-max"),
        ("odd", "no-such-model"),
    ],
)
async def test_a_clients_word_means_one_of_qwens_models(name: str, model: str) -> None:
    """An alias, an id in any case, or a name of OpenAI's for the usual model, whether the list is in hand or not."""
    async with Simulator() as simulator, catalog_at(simulator.url) as catalog:
        assert await catalog.resolve(SESSION, name) == model
        await catalog.cards(SESSION)
        assert await catalog.resolve(SESSION, name) == model


async def test_a_word_that_means_nothing_is_refused_with_near_ones() -> None:
    """The client hears what there is."""
    async with Simulator() as simulator, catalog_at(simulator.url) as catalog:
        with pytest.raises(UnknownModel, match="qwen3-max"):
            await catalog.resolve(SESSION, "qwen3-maxx")


async def test_qwen_is_asked_only_where_the_word_itself_says_nothing() -> None:
    """Aliases and OpenAI's names cost no call, and neither does a name that is in the list in hand."""
    clock = FixedClock()
    async with counted(clock) as (catalog, server):
        for name in ("fast", "gpt-4o", "gpt-5"):
            await catalog.resolve(SESSION, name)
        assert not server.heads
        assert await catalog.resolve(SESSION, "qwen-one") == "qwen-one"
        clock.time += 100 * FRESH_FOR
        assert await catalog.resolve(SESSION, "QWEN-ONE") == "qwen-one"
        assert len(server.heads) == 1


async def test_without_a_list_qwen_itself_judges_the_name() -> None:
    """A model list that cannot be had does not keep a turn from being asked."""
    async with catalog_at(f"http://127.0.0.1:{free_port()}") as catalog:
        assert await catalog.resolve(SESSION, "qwen-new") == "qwen-new"
        with pytest.raises(QwenUnreachable):
            await catalog.cards(SESSION)
        with pytest.raises(QwenUnreachable):
            await catalog.card(SESSION, "qwen-new")


async def test_the_list_shows_models_and_then_aliases() -> None:
    """An alias has its model's window, a model stands there once, and an alias of the same name hides none."""
    async with Simulator() as simulator, catalog_at(simulator.url) as catalog:
        cards = {card.id: card.context for card in await catalog.cards(SESSION)}
    assert next(iter(cards)) == "qwen3-max"
    assert list(cards)[-3:] == list(ALIASES)
    assert cards["fast"] == cards["qwen3-coder-plus"] == 1_048_576
    assert cards["odd"] is None
    async with counted(FixedClock()) as (catalog, _):
        assert [card.id for card in await catalog.cards(SESSION)] == ["qwen-one", *ALIASES]


async def test_one_model_is_shown_under_the_name_it_was_asked_by() -> None:
    """A client compares the answer's id with its own word."""
    async with Simulator() as simulator, catalog_at(simulator.url) as catalog:
        for name, context in (("fast", 1_048_576), ("gpt-5", 262_144), ("QWEN3-MAX", 262_144)):
            card = await catalog.card(SESSION, name)
            assert (card.id, card.context) == (name, context)
        with pytest.raises(UnknownModel):
            await catalog.card(SESSION, "no-such-model")


async def test_a_list_is_used_for_ten_minutes() -> None:
    """Within them nobody is asked, behind them once."""
    clock = FixedClock()
    async with counted(clock) as (catalog, server):
        await catalog.cards(SESSION)
        clock.time += FRESH_FOR - 1
        await catalog.cards(SESSION)
        assert len(server.heads) == 1
        clock.time += 1
        await catalog.cards(SESSION)
        assert len(server.heads) == 2


async def test_many_who_ask_at_once_are_one_question() -> None:
    """The list is fetched by the first, and the others wait for it."""
    async with counted(FixedClock()) as (catalog, server):
        await asyncio.gather(*(catalog.cards(SESSION) for _ in range(10)))
        assert len(server.heads) == 1


async def test_a_list_that_cannot_be_renewed_stays_in_use() -> None:
    """The old one serves, and a while passes before anybody waits for the network again."""
    clock = FixedClock()
    async with counted(clock) as (catalog, server):
        before = await catalog.cards(SESSION)
        clock.time += FRESH_FOR
        good, server.answer = server.answer, b""
        assert await catalog.cards(SESSION) == before
        assert await catalog.cards(SESSION) == before
        assert len(server.heads) == 2
        server.answer = good.replace(b"qwen-one", b"qwen-two")
        clock.time += STALE_FOR
        assert (await catalog.cards(SESSION))[0].id == "qwen-two"


async def test_a_session_that_is_not_complete_asks_nobody() -> None:
    """The client hears what is missing, also where an old list would serve."""
    async with counted(FixedClock()) as (catalog, server):
        with pytest.raises(MissingCredentials):
            await catalog.cards(Credentials("", "", "", ""))
        assert not server.heads


async def test_a_model_is_listed_by_qwen_or_by_a_setting() -> None:
    """Anything else that a client says may be its own words, and is not shown to anybody."""
    async with Simulator() as simulator, catalog_at(simulator.url) as catalog:
        assert catalog.lists("qwen3-max")
        assert catalog.lists("no-such-model")  # the target of an alias
        assert not catalog.lists("qwen3.7-plus-x")
        assert not catalog.lists("qwen3-vl-plus")
        await catalog.cards(SESSION)
        assert catalog.lists("qwen3-vl-plus")
