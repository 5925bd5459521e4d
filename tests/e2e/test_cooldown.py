"""A captcha through mitmdump: its session is left in peace, others are not, and when the rest is over it is tried."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from openai import AsyncOpenAI, PermissionDeniedError

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.conformance.invariants import check_error
from tests.harness.proxy import SESSION, Proxy, mitmdump
from tests.harness.wire import CHAT, question, text_of, until

KEYS = {"anna": "a-key-for-anna-0123", "ben": "a-key-for-ben-45678"}
LONG = 600


@pytest.fixture
async def qwen() -> AsyncIterator[Simulator]:
    """A Qwen with two accounts."""
    world = World(accounts={"sim-token": "annas", "other-token": "bens"})
    async with Simulator(settings=world) as running:
        yield running


@contextlib.asynccontextmanager
async def bridge(qwen: Simulator, state: Path, **chosen: Any) -> AsyncIterator[Proxy]:
    """mitmdump for two people, each with a session of their own."""
    sessions = {
        "client_keys": ",".join(f"{name}={key}" for name, key in KEYS.items()),
        "client_profiles": "ben=work",
        "profiles": json.dumps({"work": {**SESSION, "token": "other-token"}}),
    }
    road = mitmdump(qwen.url, state, store="memory", spacing=0, **sessions, **chosen)
    proxy = await asyncio.to_thread(road.__enter__)
    try:
        yield proxy
    finally:
        await asyncio.to_thread(road.__exit__, None, None, None)


def client_of(proxy: Proxy, name: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {KEYS[name]}"}
    return httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=30, headers=headers)


def asked(qwen: Simulator) -> int:
    """How often Qwen heard anything that has to do with an answer."""
    return len(qwen.ledger.turns) + len(qwen.ledger.refused)


def challenged(answer: httpx.Response) -> int:
    """The seconds of a refusal for the captcha."""
    assert not check_error(answer.status_code, answer.headers, answer.content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "qwen_challenge")
    assert answer.headers["x-should-retry"] == "false"
    return int(answer.headers["retry-after"])


async def test_a_captcha_silences_its_session_and_no_other(qwen: Simulator, tmp_path: Path) -> None:
    """Anna's next requests, streamed or not, are refused at once and never reach Qwen; Ben's go on in their chat."""
    talk = [{"role": "user", "content": "Hello"}]
    async with (
        bridge(qwen, tmp_path, cooldown=LONG) as proxy,
        client_of(proxy, "anna") as anna,
        client_of(proxy, "ben") as ben,
    ):
        answer = await ben.post(CHAT, json={"model": "gpt-4o", "messages": talk})
        talk += [{"role": "assistant", "content": text_of(answer)}, {"role": "user", "content": "And?"}]
        qwen.script([{"fault": "waf_json_punish"}])
        assert challenged(await anna.post(CHAT, json=question(stream=True))) == LONG
        before = asked(qwen)
        for stream in (True, False, True):
            refused = await anna.post(CHAT, json=question("Again?", stream=stream))
            assert LONG - 60 < challenged(refused) <= LONG
            assert "Qwen was not asked again" in refused.json()["error"]["message"]
        assert asked(qwen) == before
        assert text_of(await ben.post(CHAT, json={"model": "gpt-4o", "messages": talk}))
    first, second = qwen.ledger.turns
    assert first.chat_id == second.chat_id


async def test_one_captcha_is_one_strike_however_many_meet_it(qwen: Simulator, tmp_path: Path) -> None:
    """Four of Anna's requests are under way when Qwen begins to refuse: each is told, and the session rests once; the
    answer that Qwen goes on writing does not end that. Ben's answers keep coming meanwhile.
    """
    chosen = {"cooldown": LONG, "account_streams": 0}
    async with (
        bridge(qwen, tmp_path, **chosen) as proxy,
        client_of(proxy, "anna") as anna,
        client_of(proxy, "ben") as ben,
        asyncio.TaskGroup() as group,
    ):
        qwen.script([{"text": "word " * 40, "pace": 40}])
        long = group.create_task(anna.post(CHAT, json=question("Write on.", stream=True)))
        await until(lambda: qwen.ledger.turns, "Qwen writes")
        qwen.script([{"fault": "waf_json_punish", "delay": 0.3}] * 4)
        waiting = [group.create_task(anna.post(CHAT, json=question(f"Number {n}?"))) for n in range(4)]
        told = [challenged(answer) for answer in await asyncio.gather(*waiting)]
        assert all(LONG - 60 < seconds <= LONG for seconds in told)
        assert text_of(await ben.post(CHAT, json=question("And I?")))
        assert (await long).content.endswith(b"data: [DONE]\n\n")
        before = asked(qwen)
        assert LONG - 60 < challenged(await anna.post(CHAT, json=question("Now?"))) <= LONG
        assert asked(qwen) == before


async def test_the_sdk_does_not_wait_and_ask_again(qwen: Simulator, tmp_path: Path) -> None:
    """However short the time it is told: openai-python obeys `x-should-retry` before it looks at `retry-after`."""
    qwen.script([{"fault": "waf_json_punish"}])
    async with bridge(qwen, tmp_path, cooldown=1) as proxy:
        http = httpx2.AsyncClient(trust_env=False, timeout=30)
        async with AsyncOpenAI(base_url=proxy.base_url, api_key=KEYS["anna"], http_client=http) as sdk:
            with pytest.raises(PermissionDeniedError) as told:
                await sdk.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
        assert told.value.response.headers["retry-after"] == "1"
        assert asked(qwen) == 1


async def test_when_the_rest_is_over_it_is_asked_again(qwen: Simulator, tmp_path: Path) -> None:
    """A second captcha in a row doubles the rest, as the client is told; an answer ends it."""
    async with bridge(qwen, tmp_path, cooldown=2) as proxy, client_of(proxy, "anna") as anna:
        qwen.script([{"fault": "waf_html_redirect"}, {"fault": "waf_json_punish"}])
        assert challenged(await anna.post(CHAT, json=question())) == 2
        assert await tried_again(qwen, anna, 1) == 4
        answer = await until_answered(qwen, anna, 2)
        assert text_of(answer)
        assert text_of(await anna.post(CHAT, json=question("And now?")))
    assert asked(qwen) == 4


async def tried_again(qwen: Simulator, http: httpx.AsyncClient, before: int) -> int:
    """Ask until Qwen is asked, which refuses; what is told of the time then."""
    while True:
        seconds = challenged(await http.post(CHAT, json=question()))
        if asked(qwen) > before:
            assert asked(qwen) == before + 1
            return seconds
        await asyncio.sleep(0.1)


async def until_answered(qwen: Simulator, http: httpx.AsyncClient, before: int) -> httpx.Response:
    """Ask until there is an answer; until then Qwen hears nothing."""
    while True:
        answer = await http.post(CHAT, json=question())
        if answer.status_code == 200:
            return answer
        challenged(answer)
        assert asked(qwen) == before
        await asyncio.sleep(0.1)
