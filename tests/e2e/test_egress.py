"""The way to Qwen through a proxy that asks for a password: mitmproxy's leg and httpx alike, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.e2e.test_clients import http2
from tests.e2e.test_foreign_hosts import foreign
from tests.harness.proxy import Proxy, client, in_process, started, wait_until_listening, with_authority
from tests.harness.sockets import HOST, free_port
from tests.harness.wire import CHAT, question, said, text_of

PASSWORD = "s3cret-of-the-proxy"


@dataclass(frozen=True)
class Way:
    """A proxy of somebody's; `log` is what it writes."""

    scheme: str
    port: int
    log: Path

    def url(self, password: str = PASSWORD) -> str:
        return f"{self.scheme}://anna:{password}@{HOST}:{self.port}"

    def taken_to(self, port: int) -> int:
        """How many connections it opened to a port."""
        return self.log.read_text().count(f"server connect {HOST}:{port}")


@contextlib.contextmanager
def proxy_of(scheme: str, state: Path) -> Iterator[Way]:
    """mitmdump without the bridge, as an ordinary proxy that decrypts nothing."""
    port, log = free_port(), state / f"{scheme}.log"
    command = [str(Path(sys.executable).with_name("mitmdump")), "--listen-host", HOST, "-p", str(port)]
    command += ["--mode", "socks5" if scheme == "socks5" else "regular", "--set", f"proxyauth=anna:{PASSWORD}"]
    command += ["--set", f"confdir={with_authority(state / 'theirs')}", "--ignore-hosts", ".*"]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        yield Way(scheme, port, log)


@pytest.fixture(params=["http", "socks5"])
def egress(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    with proxy_of(request.param, tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def bridge_by(
    way: Way, upstream: str, state: Path, password: str = PASSWORD, **more: Any
) -> AsyncIterator[Proxy]:
    chosen: dict[str, Any] = {"upstream_proxy": way.url(password), "store": "memory", "attempts": 1, **more}
    async with in_process(upstream, state, plain={"ssl_insecure": True}, **chosen) as proxy:
        yield proxy


async def test_everything_for_qwen_goes_through_the_proxy(egress: Way, tmp_path: Path) -> None:
    """Chats, models and answers, over TLS that the proxy cannot read; two turns share the connection of the client."""
    async with Simulator(tls=True) as simulator, bridge_by(egress, simulator.url, tmp_path) as proxy:
        async with client(proxy) as http:
            assert len((await http.get("/v1/models")).json()["data"]) > 1
            answers = [await http.post(CHAT, json=question(words, stream=True)) for words in ("one", "two")]
        port = int(simulator.url.rpartition(":")[2])
    assert all(said(answer.content) for answer in answers)
    assert len(simulator.ledger.turns) == 2
    assert egress.taken_to(port) == 2, "one for httpx's pool, one for the answers"
    assert PASSWORD not in egress.log.read_text()


async def test_an_http2_client_goes_through_it_too(egress: Way, tmp_path: Path) -> None:
    """Its streams run at once, after one another, and after a lost attempt: each by the proxy, and by nothing else."""
    async with (
        Simulator(tls=True, settings=World(max_streams=None)) as simulator,
        bridge_by(egress, simulator.url, tmp_path, account_streams=0, attempts=3) as proxy,
        http2(proxy) as client,
    ):
        together = await asyncio.gather(*(client.post(CHAT, json=question(f"number {n}")) for n in range(4)))
        simulator.script([{"fault": "reset_before_headers"}])
        after = await client.post(CHAT, json=question("and then", stream=True))
        port = int(simulator.url.rpartition(":")[2])
    assert {answer.http_version for answer in (*together, after)} == {"HTTP/2"}
    assert all(text_of(answer) for answer in together)
    assert said(after.content)
    assert len(simulator.ledger.turns) == 5
    assert egress.taken_to(port) >= 2
    assert PASSWORD not in egress.log.read_text()


async def test_an_upstream_without_tls_goes_through_it_too(egress: Way, tmp_path: Path) -> None:
    """The proxy opens a tunnel for the answers all the same."""
    async with Simulator() as simulator, bridge_by(egress, simulator.url, tmp_path) as proxy, client(proxy) as http:
        answer = await http.post(CHAT, json=question(stream=True))
    assert said(answer.content)


async def test_a_password_that_is_refused_is_told(egress: Way, tmp_path: Path) -> None:
    """Nothing goes around the proxy: Qwen hears nothing, and the client what is wrong, without a password."""
    async with (
        Simulator(tls=True) as simulator,
        bridge_by(egress, simulator.url, tmp_path, "wrong-s3cret") as proxy,
        client(proxy) as http,
    ):
        answer = await http.post(CHAT, json=question())
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "qwen_unreachable")
        assert "s3cret" not in answer.text
        assert not simulator.ledger.turns
        assert not simulator.ledger.refused


async def test_other_hosts_go_their_own_way(egress: Way, tmp_path: Path) -> None:
    """Who uses the bridge as a proxy is not sent through the one that is for Qwen."""
    async with foreign() as theirs, Simulator() as simulator, bridge_by(egress, simulator.url, tmp_path) as proxy:
        async with httpx.AsyncClient(proxy=proxy.url, trust_env=False) as through:
            assert (await through.get(f"http://127.0.0.3:{theirs.port}/")).text == "hello"
        assert f":{theirs.port}" not in egress.log.read_text()
        assert b"roxy-authorization" not in theirs.received.lower().replace(b"P", b"p")


@pytest.mark.parametrize("learn", ["on", "off"])
@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
async def test_a_visit_to_qwens_site_goes_through_it_too(egress: Way, learn: str, http2: bool, tmp_path: Path) -> None:
    """The user's browser behind the bridge, whether it is learned from or passes unread: Qwen's firewall sees one
    address for all of a session.
    """
    async with Simulator(tls=True) as simulator, bridge_by(egress, simulator.url, tmp_path, learn=learn) as proxy:
        browser = httpx.AsyncClient(proxy=proxy.url, verify=False, trust_env=False, http2=http2)
        async with browser as visiting:
            for _ in range(2):
                answer = await visiting.get(f"{simulator.url}/api/models", headers={"cookie": "token=sim-token"})
                assert answer.status_code == 200, answer.text
        port = int(simulator.url.rpartition(":")[2])
        assert egress.taken_to(port) == 1
        async with client(proxy) as http:
            assert said((await http.post(CHAT, json=question(stream=True))).content)
    assert PASSWORD not in egress.log.read_text()


async def test_a_visit_does_not_go_around_a_proxy_that_refuses(egress: Way, tmp_path: Path) -> None:
    """The browser sees its connection fail."""
    async with (
        Simulator(tls=True) as simulator,
        bridge_by(egress, simulator.url, tmp_path, "wrong-s3cret", learn="off") as proxy,
        httpx.AsyncClient(proxy=proxy.url, verify=False, trust_env=False) as visiting,
    ):
        with pytest.raises(httpx.TransportError):  # it would be answered on any other way
            await visiting.get(f"{simulator.url}/api/models")
