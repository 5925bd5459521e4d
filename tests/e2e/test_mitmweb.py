"""The same bridge under mitmweb: the turn can be looked at, and the view stays small."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.proxy import Proxy, settings, started, wait_until_listening
from tests.harness.sdk import Conversation, sdk
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import HOST, free_port

LIMIT = 5


def mitmweb(port: int, web_port: int, qwen: RemoteSimulator, folder: Path, *more: str) -> list[str]:
    """What starts it."""
    chosen = settings(qwen.url, folder, {"view_limit": LIMIT})
    options = [f"web_port={web_port}", f"confdir={folder / 'conf'}", *more]
    options += [f"{name}={value}" for name, value in chosen.items()]
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port), "--web"]
    return command + [part for option in options for part in ("--set", option)]


@pytest.fixture
def web(qwen: RemoteSimulator, tmp_path: Path) -> Iterator[tuple[Proxy, httpx.Client]]:
    """`qwen-bridge run --web`, and its REST interface."""
    port, web_port = free_port(), free_port()
    command = mitmweb(port, web_port, qwen, tmp_path, "web_password=secret")
    log = tmp_path / "mitmweb.log"
    with (
        started(command, log) as process,
        httpx.Client(
            base_url=f"http://{HOST}:{web_port}", headers={"authorization": "Bearer secret"}, trust_env=False
        ) as rest,
    ):
        wait_until_listening(port, process, log)
        yield Proxy(port, tmp_path / "conf"), rest


def content(rest: httpx.Client, flow: dict[str, Any], side: str) -> str:
    """What mitmweb shows by its own choice of view."""
    shown = rest.get(f"/flows/{flow['id']}/{side}/content/Auto.json").json()
    assert shown["view_name"] == "Qwen bridge"
    return str(shown["text"])


async def test_mitmweb_shows_the_turn_and_keeps_few(web: tuple[Proxy, httpx.Client], qwen: RemoteSimulator) -> None:
    """The flow holds the client's request, the message to Qwen and the answer; old flows are dropped."""
    proxy, rest = web
    for number in range(3 * LIMIT):
        await Conversation(sdk(proxy), system="Old.").say(f"question {number}")
    talk = Conversation(sdk(proxy), system="Be brief.")
    answered = await talk.say("Please invent a number.")
    flows = rest.get("/flows").json()
    assert LIMIT <= len(flows) <= LIMIT + 1
    last = flows[-1]
    assert last["request"]["path"].startswith("/api/v2/chat/completions")
    asked, told = content(rest, last, "request"), content(rest, last, "response")
    for words in ("gpt-4o", "Be brief.", "Please invent a number.", qwen.turns[-1]["chat_id"]):
        assert words in asked
    assert answered in told
    assert "sk-test" not in str(rest.get("/flows").json())


async def test_mitmweb_shows_no_secret_at_any_moment(web: tuple[Proxy, httpx.Client], qwen: RemoteSimulator) -> None:
    """While an answer is streamed, after it, and of a request that was refused: names of headers, not their values."""
    proxy, rest = web
    headers = {"authorization": "Bearer sk-test-of-mitmweb"}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    qwen.script({"text": "slowly " * 20, "pace": 20})
    seen: list[str] = []
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, headers=headers, timeout=20) as client:
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            seen += [rest.get("/flows").text async for _ in answer.aiter_raw()]
        await client.post("/v1/chat/completions", json={})
    seen.append(rest.get("/flows").text)
    assert any('"cookie", "[redacted]"' in flows for flows in seen[:-1])
    assert '"authorization", "[redacted]"' in seen[-1]
    for flows in seen:
        assert not [secret for secret in ("sim-token", "sim-umid", "sk-test-of-mitmweb") if secret in flows]


def test_the_address_that_is_printed_opens_it(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Its token is in it, although no other secret is ever printed."""
    port, web_port, log = free_port(), free_port(), tmp_path / "mitmweb.log"
    with started(mitmweb(port, web_port, qwen, tmp_path), log) as process:
        wait_until_listening(port, process, log)
        found = re.search(r"http://\S+/\?token=\S+", log.read_text())
        assert found is not None
        assert httpx.get(f"http://{HOST}:{web_port}/", trust_env=False).status_code == 403
        assert httpx.get(found[0], trust_env=False).status_code == 200
