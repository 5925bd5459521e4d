"""Hosts that are neither OpenAI's nor Qwen's: passed on as they are, and never read."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme
from mitmproxy import ctx, http

from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import Proxy
from tests.harness.sockets import HOST
from tests.harness.wire import CHAT, question, road

OPENAI = "api.openai.com"
PLACE = "127.0.0.3"
"""Where other people's servers are: not where Qwen is, whose host is decrypted."""

pytestmark = pytest.mark.usefixtures("no_errors_logged")


class Foreign:
    """Somebody else's server: answers every request with `hello`, and keeps what it was sent."""

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.received += head
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-own: yes\r\n\r\nhello")
        writer.close()


@contextlib.asynccontextmanager
async def foreign(trust: ssl.SSLContext | None = None) -> AsyncIterator[Foreign]:
    theirs = Foreign()
    server = await asyncio.start_server(theirs.serve, PLACE, 0, ssl=trust)
    theirs.port = server.sockets[0].getsockname()[1]
    async with server:
        yield theirs


class Flows:
    """Counts the requests that mitmproxy shows."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.seen.append(flow.request.pretty_url)


def identity(*names: str) -> tuple[trustme.CA, ssl.SSLContext]:
    """A certificate authority of nobody we know, and a server's context signed by it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return authority, context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls_to_a_foreign_host_is_not_decrypted(simulator: Simulator, tmp_path: Path) -> None:
    """The client sees the server's own certificate, the server its own request, and mitmproxy no flow."""
    authority, context = identity(PLACE)
    async with foreign(context) as theirs, road(simulator, tmp_path) as (proxy, _):
        flows = Flows()
        ctx.master.addons.add(flows)
        async with httpx.AsyncClient(proxy=proxy.url, verify=trusting(authority), trust_env=False) as client:
            answer = await client.get(f"https://{PLACE}:{theirs.port}/secret")
    assert answer.text == "hello"
    assert b"GET /secret" in theirs.received
    assert flows.seen == []


async def test_plain_requests_to_a_foreign_host_pass_as_they_are(simulator: Simulator, tmp_path: Path) -> None:
    """A proxy request in absolute form goes to its server and its answer comes back, headers and all."""
    async with (
        foreign() as theirs,
        road(simulator, tmp_path) as (proxy, _),
        httpx.AsyncClient(proxy=proxy.url, trust_env=False) as client,
    ):
        answers = [await client.get(f"http://{PLACE}:{theirs.port}{path}") for path in ("/one", CHAT)]
    assert [answer.text for answer in answers] == ["hello", "hello"]
    assert answers[1].headers["x-own"] == "yes"
    assert "x-request-id" not in answers[1].headers
    assert b"GET /one" in theirs.received
    assert f"GET {CHAT}".encode() in theirs.received
    assert simulator.ledger.to_json()["turns"] == []


async def test_a_foreign_host_that_is_down_is_mitmproxys_own_matter(simulator: Simulator, tmp_path: Path) -> None:
    """The error page for other people's traffic stays mitmproxy's."""
    async with road(simulator, tmp_path) as (proxy, _), httpx.AsyncClient(proxy=proxy.url, trust_env=False) as client:
        answer = await client.get(f"http://{PLACE}:9/")
    assert answer.status_code == 502
    assert "html" in answer.headers["content-type"]


# -- SOCKS --------------------------------------------------------------------------------------------------------


async def dial(proxy: Proxy) -> socket.socket:
    tunnel = socket.socket()
    tunnel.setblocking(False)
    await asyncio.get_running_loop().sock_connect(tunnel, (HOST, proxy.port))
    return tunnel


async def socks(proxy: Proxy, host: str, port: int, *, by_address: bool) -> socket.socket:
    """A SOCKS5 tunnel to a host by its name, or to an address that the client has resolved itself."""
    loop = asyncio.get_running_loop()
    tunnel = await dial(proxy)
    await loop.sock_sendall(tunnel, b"\x05\x01\x00")
    assert await loop.sock_recv(tunnel, 2) == b"\x05\x00"
    target = b"\x01" + socket.inet_aton(host) if by_address else b"\x03%c%s" % (len(host), host.encode())
    await loop.sock_sendall(tunnel, b"\x05\x01\x00" + target + port.to_bytes(2))
    assert (await loop.sock_recv(tunnel, 10))[:2] == b"\x05\x00"
    return tunnel


async def post(tunnel: socket.socket, name: str, trust: ssl.SSLContext) -> bytes:
    """One request through TLS within a tunnel, until the other side closes."""
    reader, writer = await asyncio.open_connection(sock=tunnel, ssl=trust, server_hostname=name)
    body = httpx.Request("POST", "http://x", json=question()).read()
    writer.write(b"POST %s HTTP/1.1\r\nhost: %s\r\n" % (CHAT.encode(), name.encode()))
    writer.write(b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


@pytest.mark.parametrize("by_address", [False, True], ids=["by name", "by address"])
async def test_openai_through_socks_is_answered_here(by_address: bool, simulator: Simulator, tmp_path: Path) -> None:
    """Also a client that resolves names itself, and tells OpenAI's only in its TLS hello, never reaches that place."""
    _, context = identity(OPENAI)
    async with foreign(context) as place, road(simulator, tmp_path, mode="socks5") as (proxy, _):
        trust = ssl.create_default_context(cafile=str(proxy.authority))
        host, port = (PLACE, place.port) if by_address else (OPENAI, 443)
        answer = await post(await socks(proxy, host, port, by_address=by_address), OPENAI, trust)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert place.connections == 0
    assert len(simulator.ledger.to_json()["turns"]) == 1


async def test_a_hello_in_pieces_is_awaited(simulator: Simulator, tmp_path: Path) -> None:
    """Whose a tunnel is cannot be told from half a TLS hello: nothing is connected before the rest is there."""
    async with foreign() as place, road(simulator, tmp_path, mode="socks5") as (proxy, _):
        tunnel = await socks(proxy, PLACE, place.port, by_address=True)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.create_default_context(cafile=str(proxy.authority))
        session = trust.wrap_bio(incoming, outgoing, server_hostname=OPENAI)
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()
        hello, loop = outgoing.read(), asyncio.get_running_loop()
        for piece in (hello[:1], hello[1:3], hello[3:60], hello[60:]):
            await loop.sock_sendall(tunnel, piece)
            await asyncio.sleep(0.05)
        incoming.write(await asyncio.wait_for(loop.sock_recv(tunnel, 65536), 20))
        with contextlib.suppress(ssl.SSLWantReadError):
            session.do_handshake()  # raises when the certificate is not one of the proxy's
        tunnel.close()
    assert place.connections == 0


async def test_foreign_tls_through_socks_is_not_decrypted(simulator: Simulator, tmp_path: Path) -> None:
    """The same tunnel to somebody else passes with the server's own certificate."""
    authority, context = identity("example.test")
    async with foreign(context) as theirs, road(simulator, tmp_path, mode="socks5") as (proxy, _):
        tunnel = await socks(proxy, PLACE, theirs.port, by_address=True)
        answer = await asyncio.wait_for(post_without_close(tunnel, authority), 20)
    assert b"hello" in answer


async def post_without_close(tunnel: socket.socket, authority: trustme.CA) -> bytes:
    reader, writer = await asyncio.open_connection(sock=tunnel, ssl=trusting(authority), server_hostname="example.test")
    writer.write(b"GET / HTTP/1.1\r\nhost: example.test\r\n\r\n")
    answer = await reader.readuntil(b"hello")
    writer.close()
    return answer


async def test_a_connect_to_an_address_with_openais_name_is_answered_here(simulator: Simulator, tmp_path: Path) -> None:
    """CONNECT by address, OpenAI's name in the hello: the same through the HTTP proxy."""
    async with foreign() as place, road(simulator, tmp_path) as (proxy, _):
        loop = asyncio.get_running_loop()
        tunnel = await dial(proxy)
        await loop.sock_sendall(tunnel, b"CONNECT %s:%d HTTP/1.1\r\n\r\n" % (PLACE.encode(), place.port))
        assert (await loop.sock_recv(tunnel, 4096)).startswith(b"HTTP/1.1 200")
        answer = await post(tunnel, OPENAI, ssl.create_default_context(cafile=str(proxy.authority)))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert place.connections == 0
