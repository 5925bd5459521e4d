"""A hunt for leaks: a canary stands in for every secret, and nothing that leaves the bridge, or stays, holds one.

Prompts stand where they have to: at Qwen, in mitmweb's view and in a file of flows that the user asks for (`-w`). In
the latter two no key, cookie, token or password stands with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.e2e.test_fail_closed import HOOKS, INNER, Listener, aimed, openai
from tests.harness.proxy import Proxy, in_process, mitmdump
from tests.harness.sockets import HOST

__all__ = ["openai"]

KEY = "sk-" + "canary" + "-client-key-0123456789"
TOKEN = "canary" + "-token-value-0123456789"
COOKIE = "canary" + "-cookie-value-0123456789"
UMID = "canary" + "-umid-value-0123456789"
REDIS = "canary" + "-redis/password"
PASSWORD = "canary" + "-proxy-password"
PROMPT = "canary" + " prompt that nobody else may read"

SECRETS = (KEY, TOKEN, COOKIE, UMID, REDIS, PASSWORD)
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": PROMPT}]}
SESSION: dict[str, Any] = {
    "token": None,
    "cookies": f"acw_tc={COOKIE}; token={TOKEN}",
    "bx_umidtoken": UMID,
    "redis_url": f"redis://:{quote(REDIS, safe='')}@{HOST}:1/0",
}


def leaks(text: str | bytes, canaries: Iterable[str] = (*SECRETS, PROMPT)) -> list[str]:
    """The canaries in a text, in any form in which one travels."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    forms = {
        canary: (canary, quote(canary, safe=""), b64encode(canary.encode()).decode().rstrip("=")) for canary in canaries
    }
    found = [name for name, written in forms.items() if any(form.encode() in data for form in written)]
    return found + ["basic"] * (b64encode(f"me:{PASSWORD}".encode()) in data)


@pytest.fixture
async def world() -> AsyncIterator[Simulator]:
    """A Qwen whose one session is made of canaries."""
    async with Simulator(settings=World(accounts={TOKEN: "somebody"}, umid=UMID)) as running:
        yield running


@contextlib.asynccontextmanager
async def dumping(world: Simulator, tmp_path: Path, *arguments: str, **chosen: Any) -> AsyncIterator[Proxy]:
    """mitmdump beside this loop, which the simulator needs."""
    road = mitmdump(world.url, tmp_path, *arguments, **SESSION, **chosen)
    proxy = await asyncio.to_thread(road.__enter__)
    try:
        yield proxy
    finally:
        await asyncio.to_thread(road.__exit__, None, None, None)


async def everything(client: httpx.AsyncClient, world: Simulator) -> list[httpx.Response]:
    """Answers of every kind: whole, streamed, refused by the bridge, by Qwen, by its firewall; the bridge's pages."""
    asked = [
        await client.post("/v1/chat/completions", json=QUESTION),
        await client.post("/v1/chat/completions", json={**QUESTION, "stream": True}),
        await client.post("/v1/chat/completions", json={"model": PROMPT, "messages": QUESTION["messages"]}),
        await client.post("/v1/chat/completions", content=f'{{"model": "{PROMPT}", "messages": "{PROMPT}"'.encode()),
        await client.get(f"/v1/nothing?api_key={KEY}"),
        await client.post("/v1/chat/completions", json=QUESTION, headers={"cookie": f"a={COOKIE}"}),
    ]
    for fault in ("rate_limited_v2", "http_500", "waf_json_punish", "unauthorized"):
        world.script([{"fault": fault}])
        asked.append(await client.post("/v1/chat/completions", json=QUESTION))
    asked += [await client.get(page) for page in ("/", "/status.json", "/metrics", "/readyz")]
    return asked


def kept_in(folder: Path, *but: Path) -> dict[str, bytes]:
    """What lies in a folder, without mitmproxy's own authority."""
    files = [path for path in folder.rglob("*") if path.is_file() and "conf" not in path.relative_to(folder).parts]
    return {path.name: path.read_bytes() for path in files if path not in but}


async def test_log_flows_files_and_answers_hold_no_secret(world: Simulator, tmp_path: Path) -> None:
    """mitmdump at its most talkative, writing its flows, ended in the middle of an answer."""
    flows = tmp_path / "flows"
    talkative = ("-w", str(flows), "--set", "flow_detail=2", "--set", "termlog_verbosity=debug", "-v")
    async with dumping(world, tmp_path, *talkative, cooldown=0, store="redis") as proxy:
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, headers=headers, timeout=30) as client:
            answers = await everything(client, world)
            world.script([{"text": "slowly " * 50, "pace": 2}])
            async with client.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True}) as slow:
                async for _ in slow.aiter_raw():
                    break
    assert [answer.status_code for answer in answers[:2]] == [200, 200]
    for answer in answers:
        # An error may name the model or the path that was asked for; a key never.
        assert leaks(answer.content + str(answer.headers).encode(), SECRETS) == []
    for page in answers[-4:]:
        assert leaks(page.content) == []
    assert proxy.log is not None
    log = proxy.log.read_bytes()
    assert b"turn" in log
    assert leaks(log) == []
    assert leaks(flows.read_bytes(), SECRETS) == []
    assert PROMPT.encode() in flows.read_bytes()
    for name, data in kept_in(tmp_path, flows, proxy.log).items():
        assert leaks(data) == [], name


@pytest.mark.parametrize("mode", ["base URL", "proxy"])
async def test_the_proxys_password_stays_in_no_flow(world: Simulator, tmp_path: Path, mode: str) -> None:
    """mitmproxy reads it, keeps it beside the flow, and would write it into the file."""
    flows = tmp_path / "flows"
    async with dumping(world, tmp_path, "-w", str(flows), "--set", f"proxyauth=me:{PASSWORD}") as proxy:
        basic = "Basic " + b64encode(f"me:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Bearer {KEY}", "proxy-authorization": basic}
        if mode == "base URL":
            client = httpx.AsyncClient(base_url=proxy.url, trust_env=False, headers=headers, timeout=30)
        else:
            headers = {"authorization": f"Bearer {KEY}"}
            through = f"http://me:{PASSWORD}@{HOST}:{proxy.port}"
            client = httpx.AsyncClient(
                base_url="http://api.openai.com", proxy=through, trust_env=False, headers=headers
            )
        async with client:
            answer = await client.post("/v1/chat/completions", json=QUESTION)
            wrong = await client.post(
                "/v1/chat/completions", json=QUESTION, headers={"proxy-authorization": "Basic eA=="}
            )
    assert (answer.status_code, wrong.status_code) == (200, 407)
    assert leaks(flows.read_bytes(), SECRETS) == []


@pytest.mark.parametrize("way", ["base URL", "plain proxy", "HTTP/2"])
@pytest.mark.parametrize(("owner", "name"), HOOKS + INNER, ids=[f"{o.__name__}.{n}" for o, n in HOOKS + INNER])
async def test_a_hook_that_raises_leaks_nothing(
    owner: type,
    name: str,
    way: str,
    world: Simulator,
    openai: Listener,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each hook, and each thing a hook leans on, raises with the secrets in its words: on no way in do they get out."""
    caplog.set_level(logging.DEBUG)
    words = f"{name} failed: Cookie: acw_tc={COOKIE}; {TOKEN!r} {UMID} Bearer {KEY} {quote(REDIS, safe='')}"

    def bang(*_: Any, **__: Any) -> Any:
        raise RuntimeError(words)

    async with in_process(world.url, tmp_path, openai_hosts="127.0.0.2", store="sqlite", **SESSION) as proxy:
        async with aimed(way, proxy, openai) as client:
            client.headers["authorization"] = f"Bearer {KEY}"
            monkeypatch.setattr(owner, name, bang)
            with contextlib.suppress(httpx.HTTPError):
                answer = await client.post("/v1/chat/completions", json=QUESTION, timeout=20)
                # The simulated model repeats what it was asked; an error has no reason to.
                assert leaks(answer.content, SECRETS if answer.status_code == 200 else (*SECRETS, PROMPT)) == []
            monkeypatch.undo()
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            pages = [(await client.get(page)).text for page in ("/", "/status.json", "/metrics")]
        kept = kept_in(tmp_path)  # now, with the journal of the index; at the end it goes while one looks
    assert leaks(openai.received) == []
    assert leaks(caplog.text) == []
    assert leaks("".join(pages)) == []
    for file, data in kept.items():
        assert leaks(data) == [], file


async def test_a_foreign_host_hears_nothing(world: Simulator, openai: Listener, tmp_path: Path) -> None:
    """What passes through the proxy carries what its client sent and nothing of ours."""
    async with in_process(world.url, tmp_path, store="memory", **SESSION) as proxy:
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            assert (await client.post("/v1/chat/completions", json=QUESTION)).status_code == 200
        async with httpx.AsyncClient(proxy=proxy.url, trust_env=False, timeout=2) as client:
            with contextlib.suppress(httpx.HTTPError):
                await client.get(f"http://127.0.0.2:{openai.port}/somewhere")
    assert openai.received.startswith(b"GET /somewhere")
    assert leaks(openai.received) == []
