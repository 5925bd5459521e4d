"""Clients of every kind on their own connections: HTTP/2, old, hasty, careful, and gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings
from tests.conformance.invariants import check_error, check_models, check_stream
from tests.harness.proxy import Proxy
from tests.harness.sockets import HOST
from tests.harness.wire import (
    CHAT,
    addon_of,
    live_streams,
    question,
    request,
    road,
    said,
    text_of,
    until,
    until_forgotten,
    wire,
)

HELLO = "Hello from the other side."
OPENAI = "https://api.openai.com"
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
pytestmark = pytest.mark.usefixtures("no_errors_logged")


@pytest.fixture
async def roomy() -> AsyncIterator[Simulator]:
    """A Qwen without a limit of streams."""
    async with Simulator(settings=Settings(max_streams=None)) as running:
        yield running


class OnlyHTTP2(ssl.SSLContext):
    """httpcore offers HTTP/1.1 first within a tunnel, whatever it was asked for, and a proxy follows the order."""

    def set_alpn_protocols(self, _alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


def http2(proxy: Proxy, openai: str = OPENAI) -> httpx.AsyncClient:
    """An HTTP/2 client that means OpenAI, through CONNECT and TLS."""
    trust = OnlyHTTP2(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(proxy.authority)
    return httpx.AsyncClient(
        base_url=openai, proxy=proxy.url, verify=trust, trust_env=False, http2=True, http1=False, timeout=30
    )


class HTTP2Wire:
    """One HTTP/2 connection by hand: httpx never cancels a stream, it only stops listening."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.bodies: defaultdict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self._state = H2Connection(H2Configuration(client_side=True))
        self._reader = reader
        self._writer = writer
        self._state.initiate_connection()
        self._flush()

    def ask(self, body: object, trailers: Sequence[tuple[str, str]] = ()) -> int:
        """Send one request, `trailers` behind its body; return the number of its stream."""
        stream = self._state.get_next_available_stream_id()
        fields = [(":method", "POST"), (":path", CHAT), (":scheme", "https"), (":authority", "api.openai.com")]
        self._state.send_headers(stream, fields)
        self._state.send_data(stream, json.dumps(body).encode(), end_stream=not trailers)
        if trailers:
            self._state.send_headers(stream, trailers, end_stream=True)
        self._flush()
        return stream

    def reset(self, stream: int) -> None:
        self._state.reset_stream(stream)
        self._flush()

    async def read(self, enough: Callable[[], object]) -> None:
        """Take in what comes until it is enough."""
        while not enough():
            data = await asyncio.wait_for(self._reader.read(65536), 20)
            assert data, "the connection was closed"
            for event in self._state.receive_data(data):
                match event:
                    case DataReceived():
                        self.bodies[event.stream_id] += event.data
                        self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamEnded():
                        self.ended.add(event.stream_id)
            self._flush()

    def _flush(self) -> None:
        self._writer.write(self._state.data_to_send())


@contextlib.asynccontextmanager
async def http2_wire(proxy: Proxy) -> AsyncIterator[HTTP2Wire]:
    """A connection to OpenAI's address through the proxy."""
    reader, writer = await asyncio.open_connection(HOST, proxy.port)
    writer.write(b"CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    trust = OnlyHTTP2(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(proxy.authority)
    trust.set_alpn_protocols([])
    await writer.start_tls(trust, server_hostname="api.openai.com")
    yield HTTP2Wire(reader, writer)
    writer.close()


# -- HTTP/2 -------------------------------------------------------------------------------------------------------


@STREAMED
async def test_http2_is_answered_in_http2(stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """One turn over HTTP/2, after a lost attempt: no chunks, no HTTP/1 headers, one good answer."""
    simulator.script([{"fault": "reset_before_headers"}, {"text": HELLO}])
    async with road(simulator, tmp_path) as (proxy, _), http2(proxy) as client:
        answer = await client.post(CHAT, json=question(stream=stream))
        assert answer.http_version == "HTTP/2"
        assert not {"transfer-encoding", "connection"} & answer.headers.keys()
        assert (said(answer.content) if stream else text_of(answer)) == HELLO


async def test_thirty_streams_share_one_client_connection(roomy: Simulator, tmp_path: Path) -> None:
    """They run at once, which mitmproxy's five connections to a server would not allow, and none hears another."""
    roomy.script([{"text": f"answer {number} " * 10, "chunk": 6, "pace": 0.001} for number in range(30)])
    async with road(roomy, tmp_path, keepalive=0.5, account_streams=0) as (proxy, _), http2(proxy) as client:

        async def ask(number: int) -> bytes:
            async with client.stream("POST", CHAT, json=question(f"number {number}", stream=True)) as answer:
                assert answer.http_version == "HTTP/2"
                return b"".join([piece async for piece in answer.aiter_raw()])

        asking = [asyncio.create_task(ask(number)) for number in range(30)]
        await until(lambda: len(roomy.world.running) == 30, "all are being answered")
        roomy.hurry()
        streams = [await each for each in asking]
        await until_forgotten(proxy)
    assert all(check_stream(raw, include_usage=False) == [] for raw in streams)
    assert {said(raw) for raw in streams} == {f"answer {number} " * 10 for number in range(30)}


async def test_one_cancelled_stream_leaves_the_others_alone(roomy: Simulator, tmp_path: Path) -> None:
    """RST_STREAM ends its own question to Qwen; the stream beside it on the same connection goes on."""
    roomy.script([{"text": HELLO * 200, "chunk": 2, "pace": 20}] * 2)
    async with road(roomy, tmp_path, keepalive=0.5, account_streams=0) as (proxy, _), http2_wire(proxy) as client:
        leaving = client.ask(question("leaves", stream=True))
        await client.read(lambda: client.bodies[leaving])
        staying = client.ask(question("stays", stream=True))
        await client.read(lambda: client.bodies[staying])
        client.reset(leaving)
        await until(lambda: roomy.ledger.to_json()["turns"][0]["aborted"], "Qwen is left")
        roomy.hurry()
        await client.read(lambda: staying in client.ended)
        assert said(client.bodies[staying]) == HELLO * 200
        await until_forgotten(proxy)
    assert not roomy.ledger.to_json()["turns"][1]["aborted"]


@pytest.mark.parametrize("phase", ["waiting to ask again", "waiting for headers"])
async def test_a_stream_may_be_cancelled_at_any_time(phase: str, roomy: Simulator, tmp_path: Path) -> None:
    """Between two attempts, and before Qwen has begun: the connection serves on, and nothing is left of the stream."""
    fault = {"fault": "chat_in_progress"} if phase == "waiting to ask again" else {"fault": "slow_start", "delay": 30}
    roomy.script([fault, {"text": HELLO}])
    async with road(roomy, tmp_path, keepalive=0.5) as (proxy, _), http2_wire(proxy) as client:
        leaving = client.ask(question("leaves"))
        await until(lambda: any(roomy.ledger.to_json().values()), "Qwen is asked")
        client.reset(leaving)
        await until_forgotten(proxy)
        staying = client.ask(question("stays", stream=True))
        await client.read(lambda: staying in client.ended)
        assert said(client.bodies[staying]) == HELLO


async def test_an_error_on_one_stream_is_its_own(roomy: Simulator, tmp_path: Path) -> None:
    """A request that cannot be read is refused; the connection stays for the others."""
    async with road(roomy, tmp_path) as (proxy, _), http2(proxy) as client:
        bad, good = await asyncio.gather(client.post(CHAT, content=b"{"), client.post(CHAT, json=question()))
    assert bad.status_code == 400
    assert check_error(bad.status_code, dict(bad.headers), bad.content) == []
    assert text_of(good)


# -- HTTP/1.0, and 1.1 to the letter ------------------------------------------------------------------------------


@STREAMED
@pytest.mark.parametrize("fields", [{}, {"host": "bridge"}, {"host": "bridge", "connection": "keep-alive"}])
async def test_http10_is_answered_until_the_connection_closes(
    fields: dict[str, str], stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """No chunks, no Host needed, and the end of the connection is the end of the answer; Qwen is asked in HTTP/1.1."""
    simulator.script([{"text": HELLO}])
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(request(question(stream=stream), version="1.0", **fields))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert b" 200 OK" in head.splitlines()[0]
    assert b"chunked" not in head
    assert HELLO.encode() in body or said(body) == HELLO


@STREAMED
async def test_a_client_that_asks_for_it_gets_the_connection_closed(
    stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """`Connection: close` is honoured, although the request's headers have become those of the question to Qwen."""
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(request(question(stream=stream), host="bridge", connection="Close"))
        raw = await client.rest()
    assert b"connection: close" in raw.partition(b"\r\n\r\n")[0].lower()
    assert raw.endswith(b"0\r\n\r\n" if stream else b"}")


async def test_the_bridge_may_be_proxy_and_base_url_at_once(simulator: Simulator, tmp_path: Path) -> None:
    """With HTTP_PROXY set, a client sends the base URL itself through the proxy: it is served all the same."""
    async with road(simulator, tmp_path) as (proxy, _), httpx.AsyncClient(proxy=proxy.url, trust_env=False) as client:
        assert text_of(await client.post(proxy.url + CHAT, json=question()))


async def test_head_has_no_body(simulator: Simulator, tmp_path: Path) -> None:
    """HEAD /v1/models has the headers of GET, and the connection goes on behind it."""
    async with road(simulator, tmp_path) as (_, client):
        got, headed = await client.get("/v1/models"), await client.head("/v1/models")
        assert check_models(got.json()) == []
        assert headed.status_code == 200
        assert headed.headers["content-length"] == got.headers["content-length"]
        assert headed.content == b""
        assert text_of(await client.post(CHAT, json=question()))


async def test_one_connection_serves_on_after_errors(simulator: Simulator, tmp_path: Path) -> None:
    """Refusals of every layer leave the client's connection usable: it is one connection to the end."""
    simulator.script([{"fault": "rate_limited_v2"}, {"fault": "late_error", "after": 4, "text": HELLO}])
    async with road(simulator, tmp_path, cooldown=0) as (proxy, _), wire(proxy.port) as client:
        for body, status in ((question(), b"429"), (question(stream=True), b"200"), ({}, b"400"), (question(), b"200")):
            client.send(request(body, host="bridge"))
            head, content = await client.answer()
            assert head.split()[1] == status, content
        client.send(request(None, "/v1/nothing", method="GET", host="bridge"))
        head, content = await client.answer()
    assert head.split()[1] == b"404"
    assert check_error(404, {"content-type": "application/json"}, content) == []


async def test_pipelined_requests_are_answered_in_order(simulator: Simulator, tmp_path: Path) -> None:
    """Three requests in one write: three answers, each whole, in the order of the questions."""
    simulator.script([{"text": text} for text in ("first", "second", "third")])
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(b"".join(request(question(stream=n == 1), host="bridge") for n in range(3)))
        bodies = [(await client.answer())[1] for _ in range(3)]
    assert b'"first"' in bodies[0]
    assert said(bodies[1]) == "second"
    assert b'"third"' in bodies[2]


async def test_a_careful_client_is_told_to_go_on(simulator: Simulator, tmp_path: Path) -> None:
    """`Expect: 100-continue` gets its 100 before the body, and Qwen never hears of it."""
    whole = request(question(), host="bridge", expect="100-continue")
    head, _, body = whole.partition(b"\r\n\r\n")
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(head + b"\r\n\r\n")
        assert (await client.head()).split()[1] == b"100"
        client.send(body)
        status, _ = await client.answer()
    assert status.split()[1] == b"200"


async def test_a_body_in_chunks_is_read_whole(simulator: Simulator, tmp_path: Path) -> None:
    """A request without a length arrives complete, and goes to Qwen with one."""
    body = request(question("in pieces")).partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7))
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(request(host="bridge", transfer_encoding="chunked") + chunks + b"0\r\n\r\n")
        head, _ = await client.answer()
    assert head.split()[1] == b"200"
    assert simulator.ledger.to_json()["turns"][0]["message"] == "in pieces"


async def test_a_request_of_doubtful_length_is_refused(simulator: Simulator, tmp_path: Path) -> None:
    """Length and chunks at once: 400 in OpenAI's envelope, and the connection ends, since nobody knows where it is."""
    async with road(simulator, tmp_path) as (proxy, _), wire(proxy.port) as client:
        client.send(request(question(), host="bridge", transfer_encoding="chunked"))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert head.split()[1] == b"400"
        assert check_error(400, {"content-type": "application/json"}, body) == []
        await until_forgotten(proxy)
    assert simulator.ledger.to_json()["turns"] == []


async def test_a_client_that_leaves_in_its_own_request_leaves_nothing(simulator: Simulator, tmp_path: Path) -> None:
    """Half a body, and gone: no turn, no stream, no question to Qwen."""
    async with road(simulator, tmp_path) as (proxy, _):
        async with wire(proxy.port) as client:
            client.send(request(question(), host="bridge")[:-10])
            await until(lambda: addon_of(proxy)._turns, "the head is read")
        await until_forgotten(proxy)
        assert live_streams() == []
    assert simulator.ledger.to_json() == {"turns": [], "refused": []}
