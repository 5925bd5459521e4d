"""More clients than an account bears: they wait here, and are answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import Proxy, client, in_process
from tests.harness.wire import addon_of, until

ENDLESS = {"text": "an answer that takes its time " * 100, "chunk": 1, "pace": 20}
"""It begins, and lasts minutes unless the test hurries it."""


async def ask(http: httpx.AsyncClient, number: int) -> httpx.Response:
    question = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}], "stream": True}
    return await http.post("/v1/chat/completions", json=question)


def waiting(proxy: Proxy) -> int:
    """How many requests have a place in a queue."""
    bridge = addon_of(proxy)._bridge
    assert bridge is not None
    return sum(len(account.waiting) for account in bridge._admission._pacer._accounts.values())


async def test_everybody_is_answered_and_qwen_never_sees_more_than_two(simulator: Simulator, tmp_path: Path) -> None:
    """The simulator refuses a third answer at once; eight clients on one account are all answered all the same."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answers = await asyncio.gather(*(ask(http, number) for number in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert all(b"[DONE]" in answer.content for answer in answers)
    ledger = simulator.ledger.to_json()
    assert len(ledger["turns"]) == 8
    assert ledger["refused"] == []


async def test_a_full_queue_is_a_429(simulator: Simulator, tmp_path: Path) -> None:
    """Who finds no place in the queue is told when to come back; those who found one are answered."""
    simulator.script([ENDLESS] * 2)
    async with in_process(simulator.url, tmp_path, store="memory", queue_limit=1) as proxy, client(proxy) as http:
        asking = [asyncio.create_task(ask(http, number)) for number in range(4)]
        (refused,), _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        answer = await refused
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "queue_full"
        assert answer.headers["retry-after"]
        await until(lambda: len(simulator.world.running) == 2, "two are being answered")
        simulator.hurry()
        answers = [await each for each in asking]
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]


async def test_who_leaves_the_queue_takes_no_place(simulator: Simulator, tmp_path: Path) -> None:
    """A client that goes away while it waits is forgotten, and the next one is served."""
    simulator.script([ENDLESS])
    async with in_process(simulator.url, tmp_path, store="memory", account_streams=1) as proxy, client(proxy) as http:
        first = asyncio.create_task(ask(http, 1))
        await until(lambda: simulator.world.running, "the first is being answered")
        second = asyncio.create_task(ask(http, 2))
        await until(lambda: waiting(proxy), "the second waits")
        second.cancel()
        await until(lambda: not waiting(proxy), "the second is forgotten")
        third = asyncio.create_task(ask(http, 3))
        await until(lambda: waiting(proxy), "the third waits")
        simulator.hurry()
        assert (await first).status_code == (await third).status_code == 200
        messages = [turn["message"] for turn in simulator.ledger.to_json()["turns"]]
    assert messages == ["question 1", "question 3"]


async def test_a_client_that_leaves_frees_the_chat(simulator: Simulator, tmp_path: Path) -> None:
    """The answer that nobody wants is stopped upstream, so that the chat and the account are free at once."""
    simulator.script([ENDLESS])
    question = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    async with in_process(simulator.url, tmp_path, store="memory", account_streams=1) as proxy, client(proxy) as http:
        async with http.stream("POST", "/v1/chat/completions", json=question) as answer:
            async for _ in answer.aiter_bytes():
                break
        await until(lambda: not simulator.world.running, "Qwen has been told to stop")
        assert simulator.ledger.to_json()["turns"][0]["aborted"]
        assert (await ask(http, 2)).status_code == 200


async def test_a_second_request_for_a_busy_chat_branches_off(simulator: Simulator, tmp_path: Path) -> None:
    """Two answers to one history, asked for at once: the second waits a little, then gets a chat with all of it."""
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    one = {"model": "gpt-4o", "messages": [*talk, {"role": "user", "content": "first"}], "stream": True}
    two = {"model": "gpt-4o", "messages": [*talk, {"role": "user", "content": "second"}], "stream": True}
    simulator.script([{"text": "Hello."}, ENDLESS])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        await http.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": talk[:1]})
        slow = asyncio.create_task(http.post("/v1/chat/completions", json=one))
        await until(lambda: simulator.world.running, "the first is being answered")
        branched = await http.post("/v1/chat/completions", json=two)
        assert not slow.done()
        simulator.hurry()
        assert (await slow).status_code == branched.status_code == 200
    ledger = simulator.ledger.to_json()
    first, second, other = ledger["turns"]
    assert ledger["refused"] == []
    assert second["chat_id"] == first["chat_id"] != other["chat_id"]
    assert "Hello." in other["message"]
    assert branched.headers["x-qwen-bridge-conversation"] == "miss reason=avoided"
