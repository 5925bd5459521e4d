"""What a client may do wrong, byte by byte, through mitmdump: each time an OpenAI error, and a bridge that goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.invariants import check_error
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import HOST
from tests.harness.wire import CHAT, question, request, text_of

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

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
        reader = client.makefile("rb")
        status = int(reader.readline().split()[1])
        fields = {}
        while (line := reader.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return status, fields, reader.read(int(fields["content-length"]))


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
