"""More clients than an account bears: they wait here, and are answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import Proxy, client, in_process


async def ask(http: httpx.AsyncClient, number: int) -> httpx.Response:
    question = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"question {number}"}], "stream": True}
    return await http.post("/v1/chat/completions", json=question)


async def at_once(proxy: Proxy, number: int) -> list[httpx.Response]:
    async with client(proxy) as http:
        return await asyncio.gather(*(ask(http, n) for n in range(number)))


async def test_everybody_is_answered_and_qwen_never_sees_more_than_two(simulator: Simulator, tmp_path: Path) -> None:
    """The simulator refuses a third answer at once; eight clients on one account are all answered all the same."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        answers = await at_once(proxy, 8)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert all(b"[DONE]" in answer.content for answer in answers)
    ledger = simulator.ledger.to_json()
    assert len(ledger["turns"]) == 8
    assert ledger["refused"] == []


async def test_a_full_queue_is_a_429(simulator: Simulator, tmp_path: Path) -> None:
    """Who finds no place in the queue is told when to come back."""
    simulator.script([{"text": "slow answer", "pace": 2, "chunk": 4}] * 2)
    async with in_process(simulator.url, tmp_path, store="memory", queue_limit=1) as proxy:
        answers = await at_once(proxy, 4)
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 1
    assert refused[0].status_code == 429
    assert refused[0].json()["error"]["code"] == "queue_full"
    assert refused[0].headers["retry-after"]


async def test_who_leaves_the_queue_takes_no_place(simulator: Simulator, tmp_path: Path) -> None:
    """A client that goes away while it waits is forgotten, and the next one is served."""
    simulator.script([{"text": "slow answer", "pace": 4, "chunk": 4}])
    async with in_process(simulator.url, tmp_path, store="memory", account_streams=1) as proxy, client(proxy) as http:
        first = asyncio.create_task(ask(http, 1))
        await asyncio.sleep(0.3)
        second = asyncio.create_task(ask(http, 2))
        await asyncio.sleep(0.3)
        second.cancel()
        third = await ask(http, 3)
        assert (await first).status_code == third.status_code == 200
        messages = [turn["message"] for turn in simulator.ledger.to_json()["turns"]]
    assert messages == ["question 1", "question 3"]


async def test_a_client_that_leaves_frees_the_chat(simulator: Simulator, tmp_path: Path) -> None:
    """The answer that nobody wants is stopped upstream, so that the chat and the account are free at once."""
    simulator.script([{"text": "a very slow answer indeed", "pace": 4, "chunk": 1}])
    question = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    async with in_process(simulator.url, tmp_path, store="memory", account_streams=1) as proxy, client(proxy) as http:
        async with http.stream("POST", "/v1/chat/completions", json=question) as answer:
            async for _ in answer.aiter_bytes():
                break
        for _ in range(100):
            turns = simulator.ledger.to_json()["turns"]
            if turns and turns[0]["aborted"]:
                break
            await asyncio.sleep(0.02)
        assert turns[0]["aborted"]
        assert (await ask(http, 2)).status_code == 200


async def test_a_second_request_for_a_busy_chat_branches_off(simulator: Simulator, tmp_path: Path) -> None:
    """Two answers to one history, asked for at once: the second waits a little, then gets a chat with all of it."""
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    one = {"model": "gpt-4o", "messages": [*talk, {"role": "user", "content": "first"}], "stream": True}
    two = {"model": "gpt-4o", "messages": [*talk, {"role": "user", "content": "second"}], "stream": True}
    simulator.script([{"text": "Hello."}, {"text": "a slow answer that takes its time", "pace": 5, "chunk": 1}])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        await http.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": talk[:1]})
        slow = asyncio.create_task(http.post("/v1/chat/completions", json=one))
        await asyncio.sleep(0.3)
        branched = await http.post("/v1/chat/completions", json=two)
        assert (await slow).status_code == branched.status_code == 200
    ledger = simulator.ledger.to_json()
    first, _, other = sorted(ledger["turns"], key=lambda turn: turn["message"] not in ("Hi", "first"))[:3]
    assert ledger["refused"] == []
    assert other["chat_id"] != first["chat_id"]
    assert "Hello." in other["message"]
    assert branched.headers["x-qwen-bridge-conversation"] == "miss reason=avoided"
