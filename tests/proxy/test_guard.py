"""Which traffic is the bridge's, and what must never be connected."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.http import Headers, HTTPFlow, Request
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import treq

from qwen_bridge.proxy.guard import Guard, crash, fail_closed
from qwen_bridge.settings.settings import Settings
from tests.conformance.invariants import check_error

OPENAI = "api.openai.com"
SPELLINGS = [OPENAI, "API.OpenAI.com", "api.openai.com.", "[api.openai.com]", "eu.api.openai.com", "EU.api.openai.com."]


@pytest.fixture
def guard() -> Guard:
    return Guard(Settings.load())


def context(mode: str = "regular", server: str | None = None, sni: str | None = None) -> Context:
    """A client's connection to the proxy, perhaps with a tunnel in it."""
    client = Client(
        peername=("127.0.0.1", 50000),
        sockname=("127.0.0.1", 8080),
        timestamp_start=0,
        state=ConnectionState.OPEN,
        proxy_mode=ProxyMode.parse(mode),
        sni=sni,
    )
    made = Context(client, Options())
    if server:
        made.server = Server(address=(server, 443))
    return made


def request(target: str = "", host: str = "", method: bytes = b"POST") -> Request:
    """A request to `target`, with `host` as its Host header."""
    fields = Headers([(b"host", host.encode())]) if host else Headers()
    return treq(method=method, host=target, port=443 if target else 0, headers=fields)


# -- whose a request is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("place", ["target", "host header", "sni", "tunnel"])
def test_any_name_of_openai_makes_it_ours(place: str, name: str, guard: Guard) -> None:
    """Target, Host header, TLS name, tunnel: one is enough, in any spelling."""
    surroundings = context(
        server=name if place == "tunnel" else "192.0.2.1", sni=name if place == "sni" else "example.com"
    )
    host = name if place == "target" else "192.0.2.1"
    assert guard.claims(surroundings, request(host, host=name if place == "host header" else ""))


def test_a_base_url_is_ours_under_any_name(guard: Guard) -> None:
    """A bare path at a proxy, and everything in reverse mode, was meant for the listener."""
    assert guard.claims(context(), request("", host="anything"))
    assert guard.claims(context("reverse:https://example.com"), request("example.com"))


@pytest.mark.parametrize(
    ("host", "port", "ours"),
    [
        *((name, 8080, True) for name in ("127.0.0.1", "localhost", "LocalHost.", "::1", "[::1]", "0.0.0.0", "::")),
        ("127.0.0.1", 9, False),
        ("127.0.0.2", 8080, False),
    ],
)
def test_a_request_for_the_listener_itself_is_ours(host: str, port: int, ours: bool, guard: Guard) -> None:
    """A client that uses the bridge as proxy and as base URL at once, or speaks HTTP/2 to it, names it in full."""
    named = request(host)
    named.data.port = port
    assert guard.claims(context(), named) is ours


def test_other_peoples_requests_are_not_ours(guard: Guard) -> None:
    """Neither in absolute form nor within an opened tunnel, Qwen's own site included."""
    assert not guard.claims(context(), request("example.com", host="example.com"))
    assert not guard.claims(context(server="chat.qwen.ai", sni="chat.qwen.ai"), request("", host="chat.qwen.ai"))


def test_a_name_that_only_ends_alike_is_another(guard: Guard) -> None:
    """Below a host is what stands before a dot."""
    assert not guard.is_openai("notapi.openai.com")
    assert not guard.is_openai("openai.com")


def test_a_tunnel_to_the_listener_is_ours(guard: Guard) -> None:
    """Some clients tunnel what goes to this machine through their proxy too."""
    inside = context(server="localhost")
    inside.server.address = ("localhost", 8080)
    assert guard.is_itself(inside.client, inside.server.address)
    assert guard.claims(inside, request("", host="localhost:8080"))
    assert not guard.is_itself(inside.client, ("localhost", 8081))
    assert not guard.is_itself(inside.client, None)


def test_connect_is_mitmproxys(guard: Guard) -> None:
    """Opening a tunnel is no request of ours, wherever it leads; but a tunnel within one to OpenAI is answered."""
    assert not guard.claims(context(), request(OPENAI, method=b"CONNECT"))
    assert guard.claims(context(server=OPENAI), request(OPENAI, method=b"CONNECT"), tunnelled=True)


# -- what no stream has claimed -----------------------------------------------------------------------------------


def flow(host: str, port: int = 80, mode: str = "regular", **more: Any) -> HTTPFlow:
    made = tflow(req=treq(host=host, port=port, headers=Headers(host=more.get("header", host))))
    made.client_conn = context(mode, sni=more.get("sni")).client
    made.server_conn = Server(address=more.get("server"))
    return made


@pytest.mark.parametrize(
    "stray",
    [
        flow(OPENAI),
        flow("192.0.2.1", header=OPENAI),
        flow("192.0.2.1", sni=OPENAI),
        flow("192.0.2.1", server=(OPENAI, 443)),
        flow("127.0.0.1", 8080),
        flow("localhost", 8080),
        flow("example.com", mode="reverse:http://example.com"),
    ],
)
def test_a_stray_flow_is_stopped(stray: HTTPFlow, guard: Guard) -> None:
    """By any name of OpenAI's, at the listener itself, or to where a reverse listener points."""
    assert guard.must_not_pass(stray)


@pytest.mark.parametrize("other", [flow("example.com"), flow("127.0.0.1", 9999), flow("chat.qwen.ai", 443)])
def test_other_flows_pass(other: HTTPFlow, guard: Guard) -> None:
    """The guard stops what is ours and nothing else."""
    assert not guard.must_not_pass(other)


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_connection_to_openai(name: str, guard: Guard) -> None:
    """Address or TLS name; others may be connected, an unknown one too."""
    assert not guard.may_connect((None, name))
    assert not guard.may_connect((name, "192.0.2.1"))
    assert guard.may_connect((None, "chat.qwen.ai"))
    assert guard.may_connect((None, None))


def test_tunnels_of_strangers_pass_undecrypted(guard: Guard) -> None:
    """OpenAI's and Qwen's are opened, by address or by TLS name; one without any name is not passed on."""
    assert guard.tunnels(("example.com", None))
    assert guard.tunnels(("192.0.2.1", "example.com"))
    for name in (*SPELLINGS, "chat.qwen.ai", "Chat.Qwen.AI."):
        assert not guard.tunnels((name, None))
        assert not guard.tunnels(("192.0.2.1", name))
    assert not guard.tunnels((None, None))


def test_the_hosts_are_a_setting() -> None:
    """Other gateways can be stood in for, and Qwen can be elsewhere."""
    chosen = Guard(Settings.load({"openai_hosts": ("llm.example",), "upstream": "http://127.0.0.1:9000"}))
    assert chosen.claims(context(), request("llm.example"))
    assert not chosen.claims(context(), request(OPENAI))
    assert (chosen.address, chosen.tls, chosen.upstream) == (("127.0.0.1", 9000), False, "http://127.0.0.1:9000")


# -- fail closed --------------------------------------------------------------------------------------------------


class Hooks:
    """An addon whose hooks do what they are told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    @fail_closed
    def request(self, flow: HTTPFlow) -> str:
        return self._do()

    @fail_closed
    async def later(self, flow: HTTPFlow) -> str:
        return self._do()

    @fail_closed
    def server_connect(self, data: ServerConnectionHookData) -> str:
        return self._do()

    def _do(self) -> str:
        if self.error is not None:
            raise self.error
        return "done"


async def test_a_hook_that_works_is_left_alone() -> None:
    """What it returns is returned, sync or not, and nothing is set."""
    flow = tflow()
    assert Hooks().request(flow) == "done"
    assert await Hooks().later(flow) == "done"
    assert flow.response is None


async def test_a_hook_that_raises_answers_its_flow(caplog: pytest.LogCaptureFixture) -> None:
    """500 in OpenAI's envelope, and the exception in the log; mitmproxy hears nothing."""
    for call in (Hooks(RuntimeError("bug")).request, Hooks(RuntimeError("bug")).later):
        flow = tflow()
        result = call(flow)
        assert result is None or await result is None
        assert flow.response is not None
        assert flow.response.raw_content is not None
        assert check_error(flow.response.status_code, dict(flow.response.headers), flow.response.raw_content) == []
    assert "bug" in caplog.text


def test_an_answer_that_stands_is_kept() -> None:
    """A hook that raises after somebody has answered does not replace the answer."""
    flow = tflow(resp=True)
    answer = flow.response
    Hooks(RuntimeError("bug")).request(flow)
    assert flow.response is answer


def test_a_connection_that_cannot_be_judged_stays_closed() -> None:
    """The hook that is asked before a connection is opened says no when it fails."""
    data = ServerConnectionHookData(server=Server(address=("192.0.2.1", 443)), client=context().client)
    Hooks(RuntimeError("bug")).server_connect(data)
    assert data.server.error


@pytest.mark.parametrize("error", [exceptions.AddonHalt(), exceptions.OptionsError("no")])
def test_mitmproxys_own_words_pass(error: Exception) -> None:
    """Control exceptions are for mitmproxy, and set no answer."""
    flow = tflow()
    with pytest.raises(type(error)):
        Hooks(error).request(flow)
    assert flow.response is None


def test_a_bug_is_told_without_details() -> None:
    """The client learns that nothing was forwarded, and no more."""
    assert crash().status == 500
    assert "Nothing was forwarded" in crash().message
