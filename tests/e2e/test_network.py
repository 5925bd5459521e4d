"""Other machines at the bridge's port: refused, or served with a key, and taken nowhere else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import ctx
from mitmproxy.connection import Client

from qwen_bridge.simulator.server import Simulator
from tests.conformance.invariants import check_error
from tests.e2e.test_foreign_hosts import foreign
from tests.harness.proxy import Proxy
from tests.harness.wire import CHAT, question, road

FAR = "192.0.2.7"
KEY = "a-key-of-some-length"
OPENAI = "https://api.openai.com/v1/chat/completions"

pytestmark = pytest.mark.usefixtures("no_errors_logged")


class FarAway:
    """Lets every client come from another machine."""

    def client_connected(self, client: Client) -> None:
        client.peername = (FAR, client.peername[1])


@contextlib.asynccontextmanager
async def from_afar(
    simulator: Simulator, state: Path, **chosen: Any
) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient, httpx.AsyncClient]]:
    """A bridge, a client of its base URL, and one that uses it as a proxy; both are elsewhere."""
    async with road(simulator, state, **chosen) as (proxy, http):
        ctx.master.addons.add(FarAway())
        async with httpx.AsyncClient(proxy=proxy.url, trust_env=False, verify=False, timeout=30) as through:
            yield proxy, http, through


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error in OpenAI's form."""
    assert not check_error(answer.status_code, answer.headers, answer.content)
    return answer.status_code, answer.json()["error"]["code"]


async def test_another_machine_is_refused_with_the_reason(simulator: Simulator, tmp_path: Path) -> None:
    """By base URL and through the proxy, whatever it asks; Qwen hears nothing of it."""
    async with from_afar(simulator, tmp_path) as (_, http, through):
        asked = await http.post(CHAT, json=question())
        assert told(asked) == (403, "network_refused")
        assert "client_keys" in asked.json()["error"]["message"]
        assert told(await http.get("/v1/models")) == (403, "network_refused")
        assert told(await through.post(OPENAI, json=question())) == (403, "network_refused")
    assert not simulator.ledger.turns


async def test_another_machine_with_a_key_is_served(simulator: Simulator, tmp_path: Path) -> None:
    """Both roads answer it; a wrong key, and none, are a 401 in OpenAI's form that no SDK repeats."""
    async with from_afar(simulator, tmp_path, client_keys=f"anna={KEY}") as (_, http, through):
        right = {"authorization": f"Bearer {KEY}"}
        for client, url in ((http, CHAT), (through, OPENAI)):
            assert (await client.post(url, json=question(), headers=right)).status_code == 200
            for wrong in ({}, {"authorization": "Bearer sk-wrong-but-long-enough"}):
                refused = await client.post(url, json=question("x" * 100_000), headers=wrong)
                assert told(refused) == (401, "invalid_api_key")
                assert refused.headers["x-should-retry"] == "false"
    assert len(simulator.ledger.turns) == 2


async def test_another_machine_is_taken_to_no_host(simulator: Simulator, tmp_path: Path) -> None:
    """Neither by CONNECT nor in the clear, not even to Qwen's site, though it has a key."""
    async with foreign() as theirs, from_afar(simulator, tmp_path, client_keys=f"anna={KEY}") as (_, _, through):
        plain = await through.get(f"http://127.0.0.3:{theirs.port}/")
        assert told(plain) == (403, "network_refused")
        for url in (f"https://127.0.0.3:{theirs.port}/", "https://chat.qwen.ai/"):
            with pytest.raises(httpx.ProxyError, match="403"):
                await through.get(url)
        assert theirs.connections == 0


async def test_a_password_of_the_proxy_opens_the_way(simulator: Simulator, tmp_path: Path) -> None:
    """mitmproxy's own `proxyauth` says who may be taken elsewhere; the bridge does not stand in between."""
    async with foreign() as theirs, from_afar(simulator, tmp_path) as (proxy, _, _):
        ctx.options.update(proxyauth="anna:secret")
        named = proxy.url.replace("http://", "http://anna:secret@")
        async with httpx.AsyncClient(proxy=named, trust_env=False) as through:
            assert (await through.get(f"http://127.0.0.3:{theirs.port}/")).text == "hello"


async def test_a_head_too_large_is_told(simulator: Simulator, tmp_path: Path) -> None:
    """431, and the next request on the same connection is answered."""
    async with road(simulator, tmp_path, header_limit=2000) as (_, http):
        large = await http.post(CHAT, json=question("x" * 100_000), headers={"x-much": "a" * 2000})
        assert told(large) == (431, "headers_too_large")
        assert (await http.post(CHAT, json=question())).status_code == 200


async def test_a_client_that_asks_too_often_is_told_when_to_come_again(simulator: Simulator, tmp_path: Path) -> None:
    """OpenAI's headers on every answer, and a 429 with a time after the last that is allowed."""
    async with road(simulator, tmp_path, client_rate=2) as (_, http):
        answers = [await http.post(CHAT, json=question()) for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
    assert told(answers[2]) == (429, "rate_limit_exceeded")
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
