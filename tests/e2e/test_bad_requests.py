"""What a client may do wrong, byte by byte, through mitmdump: each time an OpenAI error, and a bridge that goes on."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from collections.abc import Iterator

import brotli
import httpx
import pytest
import zstandard

from tests.conformance.invariants import check_error
from tests.e2e.test_clients import http2_wire
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import HOST, read_from
from tests.harness.wire import CHAT, question, request, text_of

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def packed(body: bytes, encoding: str) -> bytes:
    """A question whose body is encoded."""
    return HEAD + f"content-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


BAD: dict[str, tuple[bytes, int, str]] = {
    "no request at all": (b"\x00\x01hello\r\n\r\n", 400, "invalid_request"),
    "no version": (b"GET /v1/models\r\n\r\n", 400, "invalid_request"),
    "a header without a colon": (HEAD + b"nothing\r\n\r\n", 400, "invalid_request"),
    "two lengths": (HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\n{}  ", 400, "invalid_request"),
    "a length below zero": (HEAD + b"content-length: -1\r\n\r\n", 400, "invalid_request"),
    "a length in words": (HEAD + b"content-length: many\r\n\r\n", 400, "invalid_request"),
    "length and chunks": (HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", 400, "invalid_request"),
    "a chunk without a size": (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400, "invalid_request"),
    "a chunk below zero": (CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n", 400, "invalid_request"),
    "a blank in a header's name": (b"GET /v1/models HTTP/1.1\r\nhost : x\r\n\r\n", 400, "invalid_request"),
    "a tunnel without a port": (b"CONNECT api.openai.com HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    "another scheme": (b"GET ftp://api.openai.com/v1/models HTTP/1.1\r\n\r\n", 400, "invalid_request"),
    "headers without end": (HEAD + b"x-a: aaaaaaaaaaaaaaaaaaaa\r\n" * 100_000, 431, "headers_too_large"),
    "a large header": (HEAD + b"x-a: " + b"a" * 70_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "a web socket": (
        b"GET /v1/realtime HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        404,
        "unknown_url",
    ),
    "another method": (request(question(), method="PUT", host="127.0.0.1"), 405, "method_not_allowed"),
    "a form": (HEAD + b"content-length: 3\r\n\r\na=b", 400, "invalid_request"),
    "what is no gzip": (HEAD + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", 400, "invalid_request"),
    "no such encoding": (HEAD + b"content-encoding: rot13\r\ncontent-length: 3\r\n\r\n{} ", 400, "invalid_request"),
    "a bomb": (packed(gzip.compress(bytes(200_000_000)), "gzip"), 413, "request_too_large"),
    "a bomb in a bomb": (
        packed(gzip.compress(gzip.compress(bytes(200_000_000))), "gzip, gzip"),
        413,
        "request_too_large",
    ),
    "half a gzip": (packed(gzip.compress(json.dumps(question()).encode())[:40], "gzip"), 400, "invalid_request"),
    "depth without end": (HEAD + b"content-length: 100000\r\n\r\n" + b"[" * 100_000, 400, "invalid_request"),
}


@pytest.fixture(scope="module")
def bridge(_qwen: RemoteSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with mitmdump(_qwen.url, tmp_path_factory.mktemp("bad"), store="memory") as proxy:
        yield proxy
        assert proxy.log is not None
        assert "crashed" not in proxy.log.read_text()


def told(proxy: Proxy, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """The first answer to these bytes: status, headers, body."""
    with socket.create_connection((HOST, proxy.port), timeout=20) as client:
        client.sendall(data)
        return read_from(client)


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_told_in_openais_form(case: str, bridge: Proxy, qwen: RemoteSimulator) -> None:
    """Status, envelope and code; nothing of it reaches Qwen, and the next client is answered."""
    data, status, code = BAD[case]
    answer = told(bridge, data)
    assert answer[0] == status
    assert not check_error(*answer)
    assert f'"code":"{code}"'.encode() in answer[2]
    assert not qwen.turns
    assert text_of(httpx.post(bridge.url + CHAT, json=question(), trust_env=False))


@pytest.mark.parametrize("behind", [b"", b"x-checksum: 1\r\n"], ids=["nothing", "a trailer"])
def test_chunks_with_extensions_and_trailers_are_read(behind: bytes, bridge: Proxy, qwen: RemoteSimulator) -> None:
    """What HTTP allows beside the body is dropped, and the connection goes on."""
    body = request(question()).partition(b"\r\n\r\n")[2]
    whole = CHUNKED + b"%x;name=value\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, behind)
    assert told(bridge, whole)[0] == 200
    assert len(qwen.turns) == 1


BODY = json.dumps(question()).encode()
PACKED = {
    "gzip": gzip.compress(BODY),
    "X-GZIP": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "br": bytes(brotli.compress(BODY)),
    "zstd": zstandard.ZstdCompressor().compress(BODY),
    "zstd, gzip": gzip.compress(zstandard.ZstdCompressor().compress(BODY)),
    "identity": BODY,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_compressed_request_is_unpacked(encoding: str, bridge: Proxy, qwen: RemoteSimulator) -> None:
    """Whatever HTTP knows."""
    assert told(bridge, packed(PACKED[encoding], encoding))[0] == 200
    assert [turn["message"] for turn in qwen.turns] == ["Hello"]


def test_empty_lines_ahead_of_a_request_are_no_request(bridge: Proxy, qwen: RemoteSimulator) -> None:
    """As old clients send them behind a body (RFC 9112, 2.2): in one piece with the request, before it, between two."""
    asked = request(question(), host="127.0.0.1")
    for pieces in ([b"\r\n" + asked], [b"\n\r\n\r\n", asked], [b"\r", b"\n" + asked], [asked[:-2], asked[-2:]]):
        with socket.create_connection((HOST, bridge.port), timeout=20) as client:
            for _ in range(2):
                for piece in pieces:
                    client.sendall(piece)
                    time.sleep(0.02)
                assert read_from(client)[0] == 200
    assert len(qwen.turns) == 8


async def test_trailers_of_http2_are_read(bridge: Proxy, qwen: RemoteSimulator) -> None:
    """Fields behind the body end the request as its body's end does."""
    async with http2_wire(bridge) as wire:
        stream = wire.ask(question(), trailers=[("x-checksum", "1")])
        await wire.read(lambda: stream in wire.ended)
        assert b'"finish_reason":"stop"' in wire.bodies[stream]
    assert len(qwen.turns) == 1
