"""The user's road: a browser behind the bridge signs in at Qwen, and clients are answered with that session.

A real Chromium, a real mitmdump, a simulated Qwen with TLS, and openai-python.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.site import CHECK, PASSWORD
from tests.harness.chromium import Chromium, chromium, needs_chromium
from tests.harness.proxy import Proxy, client, mitmdump
from tests.harness.sdk import Conversation, sdk

pytestmark = needs_chromium

NOTHING: dict[str, Any] = {"token": None, "bx_umidtoken": None, "user_agent": None}
QUESTION = "What did I say?"


@pytest.fixture
async def qwen() -> AsyncIterator[Simulator]:
    async with Simulator(tls=True) as running:
        yield running


@contextlib.asynccontextmanager
async def bridge(qwen: Simulator, folder: Path, *arguments: str, **chosen: Any) -> AsyncIterator[Proxy]:
    """mitmdump beside this loop, which the simulator needs; it has been given no session."""
    trust = ("--set", f"ssl_verify_upstream_trusted_ca={qwen.ca_path}")
    road = mitmdump(qwen.url.replace("127.0.0.1", "localhost"), folder, *trust, *arguments, **NOTHING, **chosen)
    proxy = await asyncio.to_thread(road.__enter__)
    try:
        yield proxy
    finally:
        await asyncio.to_thread(road.__exit__, None, None, None)


def site(qwen: Simulator) -> str:
    return f"https://localhost:{qwen.port}/"


async def sign_in(browser: Chromium, qwen: Simulator, name: str) -> None:
    await browser.open(site(qwen))
    assert await browser.run(f"sign_in('{name}', '{PASSWORD}')") == 200
    assert await browser.run("who()") == name


def kept(folder: Path, qwen: Simulator) -> dict[str, Any]:
    """What the file of sessions holds of this site; nothing while there is none."""
    path = folder / "sessions.json"
    if not path.exists():
        return {"chosen": "", "sessions": {}}
    found: dict[str, Any] = json.loads(path.read_bytes())["sites"].get(site(qwen).rstrip("/"), {})
    return found


async def refused(proxy: Proxy) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        await Conversation(sdk(proxy)).say(QUESTION)
    return caught.value


async def test_a_browser_teaches_the_session_and_clients_speak_with_it(qwen: Simulator, tmp_path: Path) -> None:
    """Sign in, send one message; then the client that was refused is answered, also by the next bridge."""
    async with bridge(qwen, tmp_path) as proxy, chromium(proxy, tmp_path) as browser:
        missing = await refused(proxy)
        assert (missing.status_code, missing.code) == (401, "missing_qwen_credentials")
        assert "uses the bridge as its proxy" in missing.message
        await sign_in(browser, qwen, "anna@example.org")
        assert "no message of yours" in (await refused(proxy)).message
        assert "characters" in await browser.run("ask('hello')")
        assert await Conversation(sdk(proxy)).say(QUESTION)
        async with client(proxy) as plain:
            page = (await plain.get("/status.json")).json()
        agent = await browser.run("navigator.userAgent")
    (account,) = page["accounts"]
    assert page["ready"]
    assert account["learned"]
    assert account["seen"] <= page["now"]
    assert [chat.account for chat in qwen.world.chats] == ["anna@example.org"] * 2
    (session,) = kept(tmp_path, qwen)["sessions"].values()
    assert session["user_agent"] == agent
    assert {"acw_tc", "token"} <= {pair.split("=")[0] for pair in session["cookies"].split("; ")}
    assert {"bx-ua", "version", "sec-ch-ua", "sec-fetch-site"} <= session["headers"].keys()
    assert stat.S_IMODE((tmp_path / "sessions.json").stat().st_mode) == 0o600
    async with bridge(qwen, tmp_path) as another:
        assert await Conversation(sdk(another)).say(QUESTION)


async def test_a_check_that_was_passed_in_the_browser_lets_the_bridge_go_on(qwen: Simulator, tmp_path: Path) -> None:
    """Captcha → refused, and Qwen left in peace → passed in the browser → answered, long before the rest is over."""
    async with bridge(qwen, tmp_path) as proxy, chromium(proxy, tmp_path) as browser:
        await sign_in(browser, qwen, "anna@example.org")
        await browser.run("ask('hello')")
        talk = Conversation(sdk(proxy))
        await talk.say(QUESTION)
        qwen.world.punished.add("anna@example.org")
        for _ in range(2):
            stopped = await refused(proxy)
            assert (stopped.status_code, stopped.code) == (403, "qwen_challenge")
            assert "pass the check, and send a message there" in stopped.message
        assert len(qwen.ledger.refused) == 1
        assert await browser.run("ask('again')") == "check"
        await browser.arrived(site(qwen).rstrip("/") + CHECK)
        await browser.run("document.querySelector('button').click()")
        await browser.arrived(site(qwen))
        assert (await refused(proxy)).code == "qwen_challenge"
        assert "characters" in await browser.run("ask('once more')")
        assert await talk.say(QUESTION)
    assert len(qwen.ledger.refused) == 2


async def test_no_other_page_teaches_anything(qwen: Simulator, tmp_path: Path) -> None:
    """A page of another site sends the user's own cookies to Qwen, and Qwen takes them: nothing is learned."""

    async def evil(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\n\r\n<title>evil</title>")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(evil, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, bridge(qwen, tmp_path) as proxy, chromium(proxy, tmp_path) as browser:
        await browser.open(site(qwen))
        assert await browser.run(f"sign_in('anna@example.org', '{PASSWORD}')") == 200
        assert kept(tmp_path, qwen)["sessions"] == {}
        await browser.open(address)
        fetched = f"fetch('{site(qwen)}api/v1/auths/', {{mode: 'no-cors', credentials: 'include'}}).then(a => a.type)"
        assert await browser.run(fetched) == "opaque"
        shown = f"new Promise(done => {{let i = new Image(); i.onerror = done; i.src = '{site(qwen)}api/v2/chats/'}})"
        await browser.run(f"{shown}.then(() => 1)")
        await browser.run(
            f"location.href = '{site(qwen)}api/v1/auths/'"
        )  # a browser sends the cookies with this at least
        await browser.arrived(f"{site(qwen)}api/v1/auths/")
        assert "anna@example.org" in await browser.run("document.body.textContent")
        assert kept(tmp_path, qwen)["sessions"] == {}
        await browser.open(site(qwen))
        assert await browser.run("who()") == "anna@example.org"
        assert len(kept(tmp_path, qwen)["sessions"]) == 1


async def test_a_browser_that_is_signed_in_as_somebody_else_changes_nothing(qwen: Simulator, tmp_path: Path) -> None:
    """A page can sign a browser in (login CSRF); the bridge keeps to the first account, and says so."""
    async with bridge(qwen, tmp_path) as proxy, chromium(proxy, tmp_path) as browser:
        await sign_in(browser, qwen, "anna@example.org")
        await browser.run("ask('hello')")
        await sign_in(browser, qwen, "attacker@example.org")
        await browser.run("ask('hello')")
        assert await Conversation(sdk(proxy)).say(QUESTION)
        assert list(qwen.world.chats)[-1].account == "anna@example.org"
        assert proxy.log is not None
        assert "with another account" in proxy.log.read_text()
        await browser.run("sign_out()")
        assert await Conversation(sdk(proxy)).say(QUESTION)
        await sign_in(browser, qwen, "anna@example.org")
        await browser.run("sign_out()")
        assert (await refused(proxy)).code == "missing_qwen_credentials"
    assert len(kept(tmp_path, qwen)["sessions"]) == 0
