"""Between mitmproxy's requests and responses and the bridge's own words for them."""

from __future__ import annotations

import gzip

import pytest
from mitmproxy.http import Headers, Request
from mitmproxy.net.http.http1 import assemble_request_head, assemble_response_head
from mitmproxy.test.tutils import treq

from qwen_bridge.errors import BridgeError, InvalidRequest, QuotaExceeded, RequestTooLarge
from qwen_bridge.exchange.effects import Ask, Begin
from qwen_bridge.proxy.rewrite import (
    Framing,
    aim,
    call_of,
    conceal,
    decoded,
    default_port,
    encoded,
    error_response,
    head_of,
    settle_host,
)
from tests.conformance.invariants import check_error

ASK = Ask("POST", "/api/v2/chat/completions?chat_id=c", (("cookie", "token=t"), ("accept", "*/*")), b'{"a":1}')
CHUNKS = Framing(chunked=True, closes=False)


def headers(**fields: str) -> Headers:
    """Underscores in names are hyphens."""
    return Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()])


def request(version: bytes = b"HTTP/1.1", **fields: str) -> Request:
    """A client's request with a key that must not travel."""
    made = treq(
        host="api.openai.com",
        port=443,
        method=b"POST",
        scheme=b"https",
        authority=b"api.openai.com" if version == b"HTTP/2.0" else b"",
        path=b"/v1/chat/completions",
        http_version=version,
        headers=headers(authorization="Bearer sk-secret", host="api.openai.com", **fields),
        content=b"{}",
        trailers=Headers(x="y"),
    )
    return made


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"])
def test_nothing_of_the_client_travels(version: bytes) -> None:
    """Method, target, headers, body and trailers are the question's own, in every version of HTTP."""
    made = request(version, transfer_encoding="chunked")
    sent = aim(made, ASK, "http://127.0.0.1:9000")
    assert (sent.scheme, sent.host, sent.port) == ("http", "127.0.0.1", 9000)
    assert dict(sent.headers) == {
        "host": "127.0.0.1:9000",
        "cookie": "token=t",
        "accept": "*/*",
        "content-length": str(len(ASK.body)),
    }
    assert made.raw_content == ASK.body
    assert (sent.raw_content, sent.trailers, made.trailers) == (None, None, None)
    assert "openai" not in repr(sent.get_state())


def test_the_kept_question_has_no_cookie() -> None:
    """What mitmproxy keeps is what was sent, except for what is secret in it."""
    made = request()
    sent = aim(made, ASK, "https://chat.qwen.ai")
    assert made.headers["cookie"] == "[redacted]"
    assert sent.headers["cookie"] == "token=t"
    same = {"cookie", "bx-umidtoken"}
    assert [f for f in made.headers.fields if f[0].decode() not in same] == [
        f for f in sent.headers.fields if f[0].decode() not in same
    ]


def test_a_clients_secrets_are_concealed_and_still_read() -> None:
    """The flow shows names only, also of a key in the query; the call has what the client sent."""
    made = request(cookie="a=b", x_note="plain")
    made.path = "/v1/models?api_key=first&x=1"
    before = made.headers.copy()
    conceal(made)
    assert (made.headers["authorization"], made.headers["cookie"], made.headers["x-note"]) == (
        "[redacted]",
        "[redacted]",
        "plain",
    )
    assert made.path == "/v1/models?api_key=[redacted]&x=1"
    assert call_of(made, before, 1000).headers["authorization"] == "Bearer sk-secret"


def test_the_proxys_own_password_waits_for_its_reader() -> None:
    """mitmproxy reads it after us; a key is concealed nevertheless."""
    made = request(proxy_authorization="Basic dXNlcjpwdw==")
    conceal(made, {"proxy-authorization", "authorization"})
    assert made.headers["proxy-authorization"] == "Basic dXNlcjpwdw=="
    assert made.headers["authorization"] == "[redacted]"


def test_an_old_clients_question_is_asked_in_http11() -> None:
    """Qwen's framing must not depend on the client's age."""
    made = aim(request(b"HTTP/1.0"), ASK, "https://chat.qwen.ai")
    assert assemble_request_head(made).startswith(b"POST /api/v2/chat/completions?chat_id=c HTTP/1.1\r\n")


def test_the_port_of_a_scheme_is_left_out() -> None:
    """`https://chat.qwen.ai` means 443, and the Host header does not say so."""
    made = aim(request(), ASK, "https://chat.qwen.ai")
    assert (made.host, made.port, made.headers["host"]) == ("chat.qwen.ai", 443, "chat.qwen.ai")
    assert (default_port("https"), default_port("http")) == (443, 80)


def test_a_call_has_its_content_encoding_undone() -> None:
    """A client may compress its request; header names come in lower case."""
    made = request(content_encoding="gzip")
    made.raw_content = gzip.compress(b'{"model":"x"}')
    call = call_of(made, made.headers, 1000)
    assert call.body == b'{"model":"x"}'
    assert call.headers["authorization"] == "Bearer sk-secret"
    assert (call.method, call.path) == ("POST", "/v1/chat/completions")


@pytest.mark.parametrize(
    ("encoding", "body", "error"),
    [
        ("gzip", b"no gzip", InvalidRequest),
        ("unknown", b"{}", InvalidRequest),
        ("gzip", gzip.compress(bytes(1001)), RequestTooLarge),
    ],
)
def test_a_body_that_cannot_be_decoded_is_refused(encoding: str, body: bytes, error: type[BridgeError]) -> None:
    """Broken, unknown, or more than the limit once it is unpacked."""
    made = request(content_encoding=encoding)
    made.raw_content = body
    with pytest.raises(error):
        call_of(made, made.headers, 1000)


def test_no_body_is_an_empty_one() -> None:
    """Also where an encoding is named for it."""
    made = request(content_encoding="gzip")
    made.raw_content = None
    assert call_of(made, made.headers, 1000).body == b""


@pytest.mark.parametrize(
    ("version", "connection", "framing"),
    [
        (b"HTTP/1.1", "", Framing(chunked=True, closes=False)),
        (b"HTTP/1.1", "keep-alive", Framing(chunked=True, closes=False)),
        (b"HTTP/1.1", "Close", Framing(chunked=True, closes=True)),
        (b"HTTP/1.1", "TE, close", Framing(chunked=True, closes=True)),
        (b"HTTP/1.0", "", Framing(chunked=False, closes=True)),
        (b"HTTP/1.0", "keep-alive", Framing(chunked=False, closes=True)),
        (b"HTTP/2.0", "", Framing(chunked=False, closes=False)),
    ],
)
def test_the_framing_is_the_clients(version: bytes, connection: str, framing: Framing) -> None:
    """Chunks for 1.1 alone, a closed connection where it was asked for or is the only end, neither in HTTP/2."""
    assert Framing.of(request(version, **({"connection": connection} if connection else {}))) == framing


def test_a_head_of_unknown_length_is_framed() -> None:
    """Chunked where the client knows chunks; the connection's end is announced where it is the end."""
    begin = Begin(200, (("content-type", "text/event-stream"),))
    assert head_of(begin, CHUNKS).headers["transfer-encoding"] == "chunked"
    old = head_of(begin, Framing(chunked=False, closes=True))
    assert "transfer-encoding" not in old.headers
    assert old.headers["connection"] == "close"
    assert not {"transfer-encoding", "connection"} & set(head_of(begin, Framing(chunked=False, closes=False)).headers)


@pytest.mark.parametrize("begin", [Begin(200, (("content-length", "2"),)), Begin(204, ())])
def test_a_head_of_known_length_is_not_chunked(begin: Begin) -> None:
    """A length, or a status without a body, needs nothing more (RFC 9112, 6.1)."""
    assert "transfer-encoding" not in head_of(begin, CHUNKS).headers


def test_a_head_can_be_written() -> None:
    """The reason phrase belongs to the status."""
    assert assemble_response_head(head_of(Begin(429, ()), CHUNKS)).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")


@pytest.mark.parametrize("error", [InvalidRequest("No.", param="model"), QuotaExceeded("Enough.", retry_after=60.0)])
def test_an_error_is_a_whole_response(error: InvalidRequest | QuotaExceeded) -> None:
    """OpenAI's envelope with its headers, of known length."""
    response = error_response(error)
    assert response.raw_content is not None
    assert check_error(response.status_code, dict(response.headers), response.raw_content) == []
    assert response.headers["content-length"] == str(len(response.raw_content))
    assert response.headers["x-should-retry"] == "false"


def test_headers_keep_their_bytes() -> None:
    """Latin-1 both ways, names in lower case; what no header may carry becomes a question mark."""
    assert decoded(Headers([(b"X-One", b"\xe9")])) == (("x-one", "é"),)
    assert encoded((("x-one", "é"), ("x-two", "世"))) == [(b"x-one", b"\xe9"), (b"x-two", b"?")]


@pytest.mark.parametrize(
    ("host", "fields", "expected"),
    [
        ("", {}, ("127.0.0.1", 8080)),
        ("", {"host": "two words"}, ("127.0.0.1", 8080)),
        ("", {"host": "bridge:8080"}, ("", 0)),
        ("api.openai.com", {}, ("api.openai.com", 443)),
    ],
)
def test_a_request_that_names_no_host_means_the_listener(
    host: str, fields: dict[str, str], expected: tuple[str, int]
) -> None:
    """Only where there is none that mitmproxy could read."""
    made = treq(host=host, port=443 if host else 0, headers=headers(**fields))
    settle_host(made, ("127.0.0.1", 8080))
    assert (made.host, made.port) == expected
