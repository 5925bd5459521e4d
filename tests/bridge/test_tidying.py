"""What is left behind at Qwen is cleared away where the user wants it, and only what the bridge itself has made."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from qwen_bridge.bridge.tidying import Tidier
from qwen_bridge.exchange.effects import Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.ports import ChatSummary
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.upstream.client import QwenClient
from tests.harness.editor import Editor, bridge_to, post, said
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.sockets import free_port

CREDENTIALS = Credentials("sim-token", "", "sim-umid", "Mozilla/5.0")
TITLE = {"role": "system", "content": "You are a title generator. You output ONLY a thread title. Nothing else."}


def chats(simulator: Simulator) -> set[str]:
    return {chat.id for chat in simulator.world.chats}


@pytest.mark.parametrize(("setting", "left"), [("side", 1), ("never", 2), ("expired", 2)])
async def test_a_title_leaves_no_chat_when_the_user_wants_that(setting: str, left: int) -> None:
    """The side request is answered, and its chat alone is gone; the conversation goes on."""
    async with Simulator() as simulator:
        async with bridge_to(simulator.url, delete_chats=setting) as bridge:
            editor, title = Editor(bridge, simulator.url), Editor(bridge, simulator.url)
            await editor.say("remember: red")
            title.history = [TITLE]
            assert await title.say("Generate a title for this conversation:\nremember: red")
            assert "red" in await editor.say("what should you remember")
            assert editor.routes[-1] == "hit depth=2/3"
        assert len(chats(simulator)) == left
        assert simulator.ledger.turns[0].chat_id in chats(simulator)


async def test_forgotten_chats_are_deleted_at_qwen_and_no_others() -> None:
    """After the time to live the chat goes with its conversation; the user's own chats and young ones stay."""
    clock = FixedClock()
    store = MemoryStore(clock)
    async with Simulator() as simulator, bridge_to(simulator.url, store, clock, delete_chats="expired") as bridge:
        own = await bridge._client.open_chat(CREDENTIALS, "qwen3-max", "made in the browser")
        await Editor(bridge, simulator.url).say("old")
        clock.time += 31 * 86_400
        await Editor(bridge, simulator.url).say("young")
        await bridge._conversations.sweep()
        old, young = (turn.chat_id for turn in simulator.ledger.turns)
        assert chats(simulator) == {own, young}
        assert old != young


async def test_chats_of_another_account_are_left_alone() -> None:
    """Several bridges may share a store; each deletes what its own session can."""
    async with Simulator() as simulator:
        client = QwenClient(simulator.url, FixedClock(), CountedIds(), False)
        tidier = Tidier(client, lambda: CREDENTIALS)
        made = [await client.open_chat(CREDENTIALS, "qwen3-max", "x") for _ in range(2)]
        accounts = (CREDENTIALS.account, "another")
        await tidier.bury([ChatSummary(i, "m", a, 2, 1, 0.0) for i, a in zip(made, accounts, strict=True)])
        assert chats(simulator) == {made[1]}
        await client.aclose()


@pytest.mark.parametrize("taken", [False, True])
async def test_what_is_written_in_a_chat_is_stopped_unless_the_chat_is_taken(taken: bool) -> None:
    """Without an id the answer is found in the chat; one that somebody waits for is not touched."""
    async with Simulator() as simulator, bridge_to(simulator.url) as bridge:
        simulator.script([{"text": "word " * 500, "pace": 20}])
        exchange = await bridge.open(post({"model": "gpt-4o", "messages": said("Hi")}), "r")
        assert isinstance(exchange, Exchange)
        ask = await bridge.ask(exchange)
        assert ask is not None
        async with (
            httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http,
            http.stream(ask.method, ask.path, headers=dict(ask.headers), content=ask.body),
        ):
            chat_id = exchange.question.chat_id
            await bridge._profiles[""].tidier.stopped(Stop(chat_id, ""), lambda: taken)
            assert simulator.world.busy(chat_id) is taken


async def test_what_cannot_be_cleared_away_is_left() -> None:
    """Qwen cannot be reached: nobody hears of it, and closing waits until it is over."""
    client = QwenClient(f"http://127.0.0.1:{free_port()}", FixedClock(), CountedIds(), False)
    tidier = Tidier(client, lambda: CREDENTIALS)
    tidier.stop(Stop("chat", "response"), lambda: False)
    tidier.delete("chat")
    await tidier.bury([ChatSummary("chat", "m", CREDENTIALS.account, 2, 1, 0.0)])
    await tidier.aclose()
    assert not tidier._tasks
    await client.aclose()


async def test_a_conversation_that_looks_like_a_title_is_kept() -> None:
    """With tools, with history or with other words it is a conversation, and its chat stays."""
    tools: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    async with Simulator() as simulator:
        async with bridge_to(simulator.url, delete_chats="side") as bridge:
            with_tools = Editor(bridge, simulator.url, tools=tools)
            with_tools.history = [TITLE]
            await with_tools.say("Hello")
            other = Editor(bridge, simulator.url)
            other.history = [{"role": "system", "content": "Make titles."}]
            await other.say("Hello")
        assert len(chats(simulator)) == 2
