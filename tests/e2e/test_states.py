"""A request in each state it may be in, and what may befall it there: its client leaves, the settings change, the
bridge ends. Whatever it is, nothing is left at Qwen or in the bridge, and who waits hears how it ended.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import ctx

from qwen_bridge.simulator.server import Simulator
from tests.conformance.invariants import check_error, check_stream
from tests.harness.proxy import Proxy
from tests.harness.wire import CHAT, addon_of, question, road, said, text_of, until, until_forgotten

pytestmark = pytest.mark.usefixtures("no_errors_logged")

LONG = "word " * 300
FILE = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "write_file", "description": "Write.", "parameters": FILE}}]
CUT = "<tool_call>\n<function=write_file>\n<parameter=path>\na.py\n</parameter>\n<parameter=content>\nx = "
TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]

type Prepare = Callable[[Simulator, Proxy, httpx.AsyncClient], Awaitable[dict[str, Any]]]
type Reached = Callable[[Simulator, Proxy], object]


def turns(proxy: Proxy) -> list[Any]:
    return list(addon_of(proxy)._turns.values())


async def queued(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"text": LONG, "pace": 20}])
    BEFORE.append(asyncio.create_task(client.post(CHAT, json=question("the one before"))))
    await until(lambda: simulator.world.running, "the account is busy")
    return {}


async def opening(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"fault": "stall_before_headers", "on": "chats/new"}])
    return {}


async def first_byte(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"text": "unheard", "fault": "slow_start", "delay": 30}])
    return {}


async def back_off(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"fault": "reset_before_headers"}])
    return {}


async def asked_again(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"text": CUT}, {"text": "unheard", "fault": "slow_start", "delay": 30}])
    return {"tools": TOOLS}


async def busy_chat(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"text": "Hello."}, {"text": LONG, "pace": 20}])
    await client.post(CHAT, json={"model": "gpt-4o", "messages": TALK[:1]})
    one = {"model": "gpt-4o", "messages": [*TALK, {"role": "user", "content": "the one before"}], "stream": True}
    BEFORE.append(asyncio.create_task(client.post(CHAT, json=one)))
    await until(lambda: simulator.world.running, "the chat is busy")
    return {"messages": [*TALK, {"role": "user", "content": "the second"}]}


async def words(simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient) -> dict[str, Any]:
    simulator.script([{"text": LONG, "pace": 20}])
    return {}


BEFORE: list[asyncio.Task[httpx.Response]] = []
"""What runs before the request that matters."""

STATES: dict[str, tuple[Prepare, Reached, dict[str, Any]]] = {
    "queued": (queued, lambda _, proxy: any(turn.queued for turn in turns(proxy)), {"account_streams": 1}),
    "opening": (opening, lambda _, proxy: [turn for turn in turns(proxy) if turn._step is not None], {}),
    "first byte": (first_byte, lambda simulator, _: simulator.world.running, {}),
    "back-off": (back_off, lambda _, proxy: [t for t in turns(proxy) if t.exchange and t.exchange.failures], {}),
    "asked again": (asked_again, lambda simulator, _: len(simulator.ledger.turns) == 2, {}),
    "busy chat": (busy_chat, lambda _, proxy: len(addon_of(proxy)._bridge._waiting_since) == 1, {}),  # type: ignore[union-attr]
    "words": (words, lambda _, proxy: [t for t in turns(proxy) if t.exchange and t.exchange._telling.begun], {}),
}
LATER = {"first_byte_timeout": 60, "backoff": 4, "drain": 0}


async def reached(
    state: str, stream: bool, simulator: Simulator, proxy: Proxy, client: httpx.AsyncClient
) -> asyncio.Task[httpx.Response]:
    """A request in this state."""
    prepare, there, _ = STATES[state]
    BEFORE.clear()
    body = {**question("the one that matters", stream=stream), **await prepare(simulator, proxy, client)}
    asking = asyncio.create_task(client.post(CHAT, json=body))
    await until(lambda: there(simulator, proxy), state)
    return asking


async def clear(simulator: Simulator, proxy: Proxy) -> None:
    """Nothing runs at Qwen, and the bridge remembers nothing of any request."""
    await until(lambda: not simulator.world.running, "Qwen writes for nobody")
    await until_forgotten(proxy)
    bridge = addon_of(proxy)._bridge
    assert bridge is not None
    pacer = bridge._admission._pacer
    books = [pacer._account_of, pacer._queued, pacer._booked, pacer._holder_of, pacer._displaced]
    books += [bridge._waiting_since, bridge._asked_as, bridge._cooldown._asked, bridge._admission._lanes]
    assert not any(books)
    await until(lambda: not (bridge._leases._held or bridge._leases._going), "no chat is held")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("state", STATES)
async def test_a_client_leaves(state: str, stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """Whatever it waited for is given up, and the next one is answered at once."""
    async with road(simulator, tmp_path, **LATER, **STATES[state][2]) as (proxy, client):
        asking = await reached(state, stream, simulator, proxy, client)
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: len(turns(proxy)) == len(BEFORE), "it is forgotten")
        simulator.hurry()
        for before in BEFORE:
            assert (await before).status_code == 200
        await clear(simulator, proxy)
        assert text_of(await client.post(CHAT, json=question("the next")))
        await clear(simulator, proxy)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("state", STATES)
async def test_the_settings_change(state: str, stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """What was begun ends as it began, and its bridge is closed then; the next one has the new settings."""
    async with road(simulator, tmp_path, **LATER, **STATES[state][2]) as (proxy, client):
        asking = await reached(state, stream, simulator, proxy, client)
        ctx.options.update(qwen_model="qwen3-coder-plus")
        if state == "opening":  # it would wait for half a minute
            asking.cancel()
            await asyncio.wait([asking])
        simulator.hurry()
        for answer in await asyncio.gather(*BEFORE, *([] if asking.cancelled() else [asking])):
            assert answer.status_code == 200, answer.text
            if answer.headers["content-type"].startswith("text/event-stream"):
                assert check_stream(answer.content, include_usage=False) == []
        addon = addon_of(proxy)
        await until(lambda: not addon._retired and not addon._closing, "the old bridge is closed")
        await clear(simulator, proxy)
        assert text_of(await client.post(CHAT, json=question("the next")))
    assert list(simulator.world.chats)[-1].model == "qwen3-coder-plus"


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("state", STATES)
async def test_the_bridge_ends(state: str, stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """The client is told so, in the form that is still possible, and Qwen is stopped."""
    async with road(simulator, tmp_path, **LATER, **STATES[state][2]) as (proxy, client):
        asking = await reached(state, stream, simulator, proxy, client)
        addon_of(proxy)._ending.begin()
        answer, *_ = await asyncio.gather(asking, *BEFORE)
        if answer.status_code == 200:
            assert state == "words"
            assert check_stream(answer.content, include_usage=False, expect_error=True) == []
            assert said(answer.content)
        else:
            assert check_error(answer.status_code, answer.headers, answer.content) == []
            assert json.loads(answer.content)["error"]["code"] == "bridge_shutting_down"
        await until(lambda: not simulator.world.running, "Qwen writes for nobody")
        ending = addon_of(proxy)._ending._task
        assert ending is not None
        await ending  # it ends the mitmproxy of the moment, which must not be the next test's
