"""What passes between a browser and Qwen's site while the bridge learns from it: unchanged, at once, and kept nowhere.

The browser here is a client that sends a browser's headers; a real one is in `test_learning`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.e2e.test_leaks import COOKIE, KEY, PROMPT, QUESTION, TOKEN, UMID, kept_in, leaks
from tests.harness.proxy import Proxy, client, in_process, mitmdump
from tests.harness.qwen_browser import COMPLETIONS, HEADERS, NEW_CHAT, completion

NOTHING: dict[str, Any] = {"token": None, "bx_umidtoken": None, "user_agent": None}
CANARIES = (KEY, TOKEN, COOKIE, UMID, PROMPT)


@pytest.fixture
async def qwen() -> AsyncIterator[Simulator]:
    """A Qwen whose one session is made of canaries."""
    async with Simulator(tls=True, settings=World(accounts={TOKEN: "somebody"}, umid=UMID)) as running:
        yield running


def trusting(qwen: Simulator) -> dict[str, str]:
    return {"ssl_verify_upstream_trusted_ca": str(qwen.ca_path)}


def browser(proxy: Proxy, qwen: Simulator, **headers: str) -> httpx.AsyncClient:
    """A signed-in browser behind the proxy."""
    own = {
        "cookie": f"acw_tc={COOKIE}; token={TOKEN}",
        "bx-umidtoken": UMID,
        "user-agent": HEADERS["user-agent"],
        "sec-fetch-site": "same-origin",
    }
    trust = ssl.create_default_context(cafile=str(proxy.authority))
    return httpx.AsyncClient(
        base_url=qwen.url, proxy=proxy.url, verify=trust, headers={**own, **headers}, trust_env=False, timeout=30
    )


async def asked(page: httpx.AsyncClient, text: str = PROMPT) -> httpx.Response:
    chat_id = (await page.post("/api/v2/chats/new", json=NEW_CHAT)).json()["data"]["id"]
    return await page.post(COMPLETIONS, params={"chat_id": chat_id}, json=completion(chat_id, text))


async def test_an_answer_reaches_the_browser_word_by_word(qwen: Simulator, tmp_path: Path) -> None:
    """And is learned from with its first frame, while Qwen still writes; nothing of it waits for its end."""
    qwen.script([{"text": "slowly " * 200, "pace": 20}])
    async with in_process(qwen.url, tmp_path, plain=trusting(qwen), **NOTHING) as proxy, browser(proxy, qwen) as page:
        chat_id = (await page.post("/api/v2/chats/new", json=NEW_CHAT)).json()["data"]["id"]
        body = completion(chat_id, "hello")
        async with page.stream("POST", COMPLETIONS, params={"chat_id": chat_id}, json=body) as answer:
            seen = b""
            async for piece in answer.aiter_raw():
                seen += piece
                if seen.count(b"choices") > 1:
                    assert qwen.world.busy(chat_id)
                    whole = json.loads((tmp_path / "sessions.json").read_bytes())
                    break
    (session,) = whole["sites"][qwen.url]["sessions"].values()
    assert session["answered"] > 0


async def test_what_passes_is_what_was_sent(qwen: Simulator, tmp_path: Path) -> None:
    """Headers and bodies, both ways, beside a browser without the proxy; also of what is no lesson."""
    async with in_process(qwen.url, tmp_path, plain=trusting(qwen), **NOTHING) as proxy:
        direct = httpx.AsyncClient(
            base_url=qwen.url, verify=ssl.create_default_context(cafile=str(qwen.ca_path)), trust_env=False
        )
        async with browser(proxy, qwen) as page, direct:
            for method, path in (("GET", "/api/models"), ("GET", "/_____tmd_____/punish"), ("GET", "/nothing")):
                through = await page.request(method, path)
                straight = await direct.request(method, path, headers=dict(page.headers))
                assert (through.status_code, through.content) == (straight.status_code, straight.content)
                assert dict(through.headers) == dict(straight.headers)
            assert '"finished"' in (await asked(page, "x" * 100_000)).text


@pytest.mark.parametrize(
    "chosen", [{"learn": "off"}, {"token": "other", "bx_umidtoken": "x", "user_agent": "y"}], ids=str
)
async def test_nothing_to_learn_nothing_to_read(chosen: dict[str, Any], qwen: Simulator, tmp_path: Path) -> None:
    """The browser sees Qwen's own certificate, and no session is kept."""
    async with in_process(qwen.url, tmp_path, plain=trusting(qwen), **{**NOTHING, **chosen}) as proxy:
        with pytest.raises(httpx.ConnectError):
            async with browser(proxy, qwen) as page:
                await page.get("/api/v1/auths/")
        async with httpx.AsyncClient(
            proxy=proxy.url, verify=ssl.create_default_context(cafile=str(qwen.ca_path)), trust_env=False
        ) as page:
            assert (await page.get(f"{qwen.url}/api/v1/auths/")).status_code == 401
    assert not (tmp_path / "sessions.json").exists()


async def test_a_server_that_is_not_verified_teaches_nothing(qwen: Simulator, tmp_path: Path) -> None:
    """With `ssl_insecure` anybody in between could be Qwen."""
    async with (
        in_process(qwen.url, tmp_path, plain={"ssl_insecure": True}, **NOTHING) as proxy,
        browser(proxy, qwen) as page,
    ):
        assert (await asked(page)).status_code == 200
    assert not (tmp_path / "sessions.json").exists()


async def test_what_was_learned_stands_in_one_file_and_nowhere_else(qwen: Simulator, tmp_path: Path) -> None:
    """mitmdump, talkative, writing its flows: no log, no other file, no page, no flow of the bridge's own.

    The browser's own flows hold what they held, and so does what mitmdump prints of them from `flow_detail=2` on: that
    is what these are for, and the guide says so.
    """
    flows = tmp_path / "flows"
    loud = ("-w", str(flows), "--set", "flow_detail=1", "--set", "termlog_verbosity=debug")
    trust = ("--set", f"ssl_verify_upstream_trusted_ca={qwen.ca_path}")
    road = mitmdump(qwen.url, tmp_path, *loud, *trust, **NOTHING)
    proxy = await asyncio.to_thread(road.__enter__)
    try:
        async with browser(proxy, qwen) as page:
            assert (await asked(page, "hello")).status_code == 200
            await page.get("/api/v2/chats/", headers={"cookie": "token=none", "bx-umidtoken": "wrong"})
        async with client(proxy) as plain:
            plain.headers["authorization"] = f"Bearer {KEY}"
            told = [await plain.post("/v1/chat/completions", json=QUESTION), await plain.get("/v1/models")]
            qwen.script([{"fault": "waf_json_punish"}])
            told.append(await plain.post("/v1/chat/completions", json=QUESTION))
            told += [await plain.get(page) for page in ("/", "/status.json", "/metrics")]
    finally:
        await asyncio.to_thread(road.__exit__, None, None, None)
    assert [answer.status_code for answer in told] == [200, 200, 403, 200, 200, 200]
    for answer in told:
        assert leaks(answer.content + str(answer.headers).encode(), CANARIES[:-1]) == []
    assert proxy.log is not None
    assert leaks(proxy.log.read_bytes(), CANARIES[:-1]) == []
    for name, data in kept_in(tmp_path, flows, proxy.log, tmp_path / "sessions.json").items():
        assert leaks(data, CANARIES) == [], name
    assert leaks((tmp_path / "sessions.json").read_bytes(), CANARIES) == [TOKEN, COOKIE, UMID]
    with flows.open("rb") as file:
        kept = [flow for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    own = [flow for flow in kept if "sec-fetch-dest" not in flow.request.headers and "bx-v" in flow.request.headers]
    assert own
    for flow in own:
        assert leaks(str(flow.get_state()), (KEY, TOKEN, COOKIE, UMID)) == []


async def test_nothing_learned_goes_to_another_address(qwen: Simulator, tmp_path: Path) -> None:
    """A bridge with the same folder and another `upstream` has no session, and asks nobody."""
    async with in_process(qwen.url, tmp_path, plain=trusting(qwen), **NOTHING) as proxy, browser(proxy, qwen) as page:
        await asked(page)
    async with Simulator() as other:
        async with in_process(other.url, tmp_path, **NOTHING) as proxy, client(proxy) as plain:
            told = await plain.post("/v1/chat/completions", json=QUESTION)
        assert told.json()["error"]["code"] == "missing_qwen_credentials"
        assert other.ledger.to_json() == {"turns": [], "refused": []}
    with contextlib.suppress(FileNotFoundError):
        assert leaks((tmp_path / "conversations.sqlite3").read_bytes(), CANARIES) == []
