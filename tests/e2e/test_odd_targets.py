"""How a client may name its destination, byte by byte, through mitmdump: whatever it is, OpenAI is never connected."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.conformance.invariants import check_body, check_error
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import HOST, read_from
from tests.harness.wire import CHAT, question, request, text_of

OPENAI = "api.openai.com"
SOCKET = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec_websocket_version": "13",
    "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass(frozen=True)
class Way:
    """A request's target and Host header, in a tunnel if one is named, with TLS in it if there is a name for that."""

    target: str = CHAT
    host: str | None = None
    tunnel: str = ""
    sni: str = ""
    method: str = "POST"
    version: str = "1.1"
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def data(self) -> bytes:
        fields = {**({} if self.host is None else {"host": self.host}), **dict(self.fields)}
        body = question() if self.method == "POST" else None
        return request(body, self.target, method=self.method, version=self.version, **fields)


ANSWERED = {
    "plain http": Way(f"http://{OPENAI}{CHAT}", OPENAI),
    "plain http, another port": Way(f"http://{OPENAI}:8123{CHAT}", f"{OPENAI}:8123"),
    "https without a tunnel": Way(f"https://{OPENAI}{CHAT}", OPENAI),
    "capitals and a final dot": Way(f"http://API.OpenAI.com.{CHAT}", "API.OpenAI.com."),
    "a region of OpenAI's": Way(f"http://eu.{OPENAI}{CHAT}", f"eu.{OPENAI}"),
    "HTTP/1.0": Way(f"http://{OPENAI}{CHAT}", version="1.0"),
    "a later HTTP/1": Way(f"http://{OPENAI}{CHAT}", OPENAI, version="1.7"),
    "OpenAI in the Host header alone": Way(f"http://nobody.invalid{CHAT}", OPENAI),
    "OpenAI in the target alone": Way(f"http://{OPENAI}{CHAT}", "nobody.invalid"),
    "a path, and OpenAI as host": Way(host=OPENAI),
    "a path, and no host": Way(),
    "a path, and no host, in HTTP/1.0": Way(version="1.0"),
    "an IPv6 literal": Way(host="[::1]:PORT"),
    "the bridge itself": Way(f"http://127.0.0.1:PORT{CHAT}", "127.0.0.1:PORT"),
    "the bridge itself by name": Way(f"http://LOCALHOST.:PORT{CHAT}", "LOCALHOST.:PORT"),
    "the bridge itself in IPv6": Way(f"http://[::1]:PORT{CHAT}", "[::1]:PORT"),
    "the bridge itself as any address": Way(f"http://0.0.0.0:PORT{CHAT}", "0.0.0.0:PORT"),
    "a tunnel to the bridge itself": Way(host="127.0.0.1:PORT", tunnel="127.0.0.1:PORT"),
    "a tunnel": Way(host=OPENAI, tunnel=f"{OPENAI}:443", sni=OPENAI),
    "a tunnel to another port": Way(host=f"{OPENAI}:8443", tunnel=f"{OPENAI}:8443", sni=OPENAI),
    "a tunnel to a region": Way(host=f"eu.{OPENAI}", tunnel=f"eu.{OPENAI}:443", sni=f"eu.{OPENAI}"),
    "a tunnel in capitals with a dot": Way(host="API.OPENAI.COM.", tunnel="API.OPENAI.COM.:443", sni="API.OPENAI.COM"),
    "a tunnel without TLS": Way(host=OPENAI, tunnel=f"{OPENAI}:80"),
    "a tunnel to 443 without TLS": Way(host=OPENAI, tunnel=f"{OPENAI}:443"),
    "a tunnel, and another Host": Way(host="nobody.invalid", tunnel=f"{OPENAI}:443", sni=OPENAI),
    "a tunnel, and another name in TLS": Way(host="nobody.invalid", tunnel=f"{OPENAI}:443", sni="nobody.invalid"),
    "a whole URL in a tunnel": Way(f"https://{OPENAI}{CHAT}", OPENAI, tunnel=f"{OPENAI}:443", sni=OPENAI),
    "another's URL in a tunnel": Way(f"https://nobody.invalid{CHAT}", "x", tunnel=f"{OPENAI}:443", sni=OPENAI),
    "an offer of HTTP/2 in plain text": Way(host=HOST, fields=(("upgrade", "h2c"), ("connection", "upgrade"))),
}

REFUSED: dict[str, tuple[Way, int, str]] = {
    "a web socket": (
        Way("/v1/realtime", OPENAI, f"{OPENAI}:443", OPENAI, "GET", fields=tuple(SOCKET.items())),
        404,
        "unknown_url",
    ),
    "a web socket without TLS": (
        Way(f"http://{OPENAI}/v1/realtime", OPENAI, method="GET", fields=tuple(SOCKET.items())),
        404,
        "unknown_url",
    ),
    "a tunnel in a tunnel": (
        Way(f"{OPENAI}:443", OPENAI, tunnel=f"{OPENAI}:443", sni=OPENAI, method="CONNECT"),
        400,
        "invalid_request",
    ),
    "all of OpenAI": (Way("*", OPENAI, method="OPTIONS"), 404, "unknown_url"),
    "a trace": (Way(host=OPENAI, method="TRACE"), 405, "method_not_allowed"),
    "a page ahead of its call": (
        Way(f"http://{OPENAI}{CHAT}", OPENAI, method="OPTIONS", fields=(("origin", "https://evil.example"),)),
        403,
        "cross_site_refused",
    ),
    "a user in the URL": (Way(f"http://me:secret@{OPENAI}{CHAT}", OPENAI), 400, "invalid_request"),
    "HTTP/2 in plain text": (Way("*", method="PRI", version="2.0"), 400, "invalid_request"),
    "HTTP/2 in words": (Way(host=OPENAI, version="2.0"), 400, "invalid_request"),
    "another spelling of this machine": (Way(host="127.1:PORT"), 403, "host_refused"),
}


@pytest.fixture(scope="module")
def bridge(_qwen: RemoteSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with mitmdump(_qwen.url, tmp_path_factory.mktemp("targets"), store="memory") as proxy:
        yield proxy
        assert proxy.log is not None
        log = proxy.log.read_text()
        # mitmdump writes down each connection it makes, by name.
        assert set(re.findall(r"server connect (\S+)", log)) == {_qwen.url.removeprefix("http://")}
        assert "crashed" not in log


def told(proxy: Proxy, way: Way) -> tuple[int, dict[str, str], bytes]:
    """The answer: status, headers, body."""
    port = str(proxy.port).encode()
    with socket.create_connection((HOST, proxy.port), timeout=20) as plain:
        client = plain
        if way.tunnel:
            plain.sendall(f"CONNECT {way.tunnel} HTTP/1.1\r\n\r\n".encode().replace(b"PORT", port))
            opened = b""
            while not opened.endswith(b"\r\n\r\n"):
                opened += plain.recv(1)
            assert opened.startswith(b"HTTP/1.1 200 ")
        if way.sni:
            trust = ssl.create_default_context(cafile=str(proxy.authority))
            client = trust.wrap_socket(plain, server_hostname=way.sni)
        client.sendall(way.data.replace(b"PORT", port))
        return read_from(client)


@pytest.mark.parametrize("way", ANSWERED)
def test_however_openai_or_the_bridge_is_named_qwen_answers(way: str, bridge: Proxy, qwen: RemoteSimulator) -> None:
    """One question at Qwen, and its answer."""
    status, _, body = told(bridge, ANSWERED[way])
    assert status == 200, body
    assert check_body(httpx.Response(200, content=body).json()) == []
    assert len(qwen.turns) == 1


@pytest.mark.parametrize("way", REFUSED)
def test_what_is_not_served_is_told_in_openais_form(way: str, bridge: Proxy, qwen: RemoteSimulator) -> None:
    """Status, envelope and code; Qwen is not asked."""
    asked, status, code = REFUSED[way]
    answer = told(bridge, asked)
    assert answer[0] == status
    assert check_error(*answer) == []
    assert f'"code":"{code}"'.encode() in answer[2]
    assert qwen.turns == []


@pytest.mark.parametrize("host", [HOST, OPENAI])
def test_a_client_that_waits_to_be_told_to_go_on_is_told(host: str, bridge: Proxy) -> None:
    """`Expect: 100-continue`: the body goes out after the interim answer, as curl does it with long ones."""
    head, end, body = request(question(), host=host, expect="100-continue").partition(b"\r\n\r\n")
    with socket.create_connection((HOST, bridge.port), timeout=20) as client:
        client.sendall(head + end)
        assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert read_from(client)[0] == 200


@pytest.mark.parametrize(("target", "status"), [("/v1/models", 200), (CHAT, 405)])
@pytest.mark.parametrize("name", ["", f"http://{OPENAI}"])
def test_a_head_alone_has_no_body(name: str, target: str, status: int, bridge: Proxy) -> None:
    """And the connection goes on behind it: the next answer is not taken for its body."""
    with socket.create_connection((HOST, bridge.port), timeout=20) as client:
        client.sendall(request(path=name + target, method="HEAD", host=OPENAI))
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 %d " % status)
        client.sendall(request(path=name + "/v1/models", method="GET", host=OPENAI))
        assert read_from(client)[0] == 200


def test_what_is_neither_tls_nor_http_in_a_tunnel_to_openai_is_closed(bridge: Proxy) -> None:
    """Nobody is connected, and nothing is answered that could be taken for OpenAI's words."""
    with socket.create_connection((HOST, bridge.port), timeout=20) as client:
        client.sendall(f"CONNECT {OPENAI}:443 HTTP/1.1\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"\x00\x01\x02nothing\r\n\r\n")
        assert client.recv(1000) == b""


def test_a_client_that_does_not_trust_the_certificate_reaches_nobody(bridge: Proxy, qwen: RemoteSimulator) -> None:
    """Its handshake ends with its own error, and the next client is served."""
    with socket.create_connection((HOST, bridge.port), timeout=20) as client:
        client.sendall(f"CONNECT {OPENAI}:443 HTTP/1.1\r\n\r\n".encode())
        client.recv(1000)
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(client, server_hostname=OPENAI)
    assert text_of(httpx.post(bridge.url + CHAT, json=question(), trust_env=False))
    assert len(qwen.turns) == 1
