"""Between mitmproxy's requests and responses and the bridge's own words for them."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit

from mitmproxy import http
from mitmproxy.connection import Address
from mitmproxy.net.http.url import parse_authority

from qwen_bridge.bridge.bridge import Call
from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.effects import Ask, Begin, Data, Headers
from qwen_bridge.exchange.inflate import inflated
from qwen_bridge.exchange.reply import refusal
from qwen_bridge.observe.redaction import REDACTED, is_secret_name, redact


@dataclass(frozen=True, slots=True)
class Framing:
    """How an answer of unknown length is told to be complete, by the client's version of HTTP.

    It is `chunked` in HTTP/1.1, ends with the connection in 1.0, and needs nothing in HTTP/2. `closes` says that the
    connection has to end with the answer in any case: the client asked for it, or knows no better.
    """

    chunked: bool
    closes: bool

    @classmethod
    def of(cls, request: http.Request) -> Self:
        """The framing for the answer to `request` as the client sent it; `aim` replaces its headers later."""
        words = request.headers.get("connection", "").lower().replace(",", " ").split()
        return cls(request.is_http11, request.is_http10 or (request.is_http11 and "close" in words))


def settle_host(request: http.Request, listener: Address) -> None:
    """Name the listener as the host of a request to a base URL that names none that can be read, as in HTTP/1.0.

    mitmproxy refuses such a request, as a proxy must; a server knows that it was meant.
    """
    if request.host:
        return
    try:
        parse_authority(request.host_header or "", check=True)
    except ValueError:
        request.data.host, request.data.port = listener[:2]


def conceal(request: http.Request, kept: Container[str] = ()) -> None:
    """Blot out what is secret in the head of a request: mitmproxy keeps it, shows it, and writes it into files.

    `kept` are names, in lower case, of headers in which somebody else has still to read a user's password (Basic).
    """
    request.headers = http.Headers(_concealed(request.headers.fields, kept))
    path, question_mark, query = request.path.partition("?")
    if question_mark:
        request.path = f"{path}?{redact(query)}"


def call_of(request: http.Request, headers: http.Headers, limit: int) -> Call:
    """The client's request as the bridge reads it, its content encoding undone; `headers` as they were before
    `conceal`. Raises what `inflated` does; `limit` is in bytes.
    """
    secret = {name: value for name, value in decoded(headers) if is_secret_name(name)}
    fields = dict(decoded(request.headers))
    fields.update((name, value) for name, value in secret.items() if fields.get(name) == REDACTED)
    body = inflated(request.raw_content or b"", request.headers.get("content-encoding", ""), limit)
    return Call(request.method, request.path, fields, body)


def aim(request: http.Request, ask: Ask, upstream: str) -> http.Request:
    """Turn a client's request into the question to Qwen, in place. Of the client's own headers nothing stays.

    Returns the head of the request that is to be sent. The one in place is what mitmproxy keeps: it never holds a
    secret of Qwen's, so there is no moment at which a view, a dump or a crash could show it.
    """
    target = urlsplit(upstream)
    request.method, request.path = ask.method, ask.path
    fields = [(b"host", target.netloc.encode()), *encoded(ask.headers)]
    request.headers = http.Headers(_concealed(fields))
    request.scheme = target.scheme
    request.data.host, request.data.port = target.hostname or "", target.port or default_port(target.scheme)
    if request.is_http10:
        request.http_version = "HTTP/1.1"
    request.authority = target.netloc if request.is_http2 or request.is_http3 else ""
    request.content = ask.body  # sets content-length, without which an HTTP/1.1 server reads no body
    request.trailers = None
    length = request.headers["content-length"].encode()
    # Without the body, which is sent by itself: mitmproxy's HTTP/1 client keeps the head until the client leaves.
    # In the client's version: what came by HTTP/2 is sent as HTTP/1.1 anyway, and its connection closed at its end.
    return http.Request(
        request.data.host,
        request.data.port,
        request.data.method,
        request.data.scheme,
        request.data.authority,
        request.data.path,
        request.data.http_version,
        http.Headers([*fields, (b"content-length", length)]),
        None,
        None,
        request.timestamp_start,
        request.timestamp_end,
    )


def head_of(begin: Begin, framing: Framing, more: Headers = ()) -> http.Response:
    """A response without its body, framed for the client, with `more` headers."""
    fields = encoded((*begin.headers, *more))
    framed = begin.status == HTTPStatus.NO_CONTENT or any(name == b"content-length" for name, _ in fields)
    if framing.chunked and not framed:
        fields.append((b"transfer-encoding", b"chunked"))
    if framing.closes:
        fields.append((b"connection", b"close"))
    return http.Response(
        http_version=b"HTTP/1.1",
        status_code=begin.status,
        reason=HTTPStatus(begin.status).phrase.encode(),
        headers=http.Headers(fields),
        content=None,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=None,
    )


def error_response(error: BridgeError) -> http.Response:
    """The error as a whole response, for the places where a hook has to give one."""
    effects = refusal(error)
    response = head_of(
        next(effect for effect in effects if isinstance(effect, Begin)), Framing(chunked=True, closes=False)
    )
    response.content = b"".join(effect.chunk for effect in effects if isinstance(effect, Data))
    return response


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Header text to bytes; a character that no header may carry becomes a question mark."""
    return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]


def decoded(headers: http.Headers) -> Headers:
    """Header bytes to text, names in lower case."""
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers.fields)


def _concealed(fields: Iterable[tuple[bytes, bytes]], kept: Container[str] = ()) -> Iterator[tuple[bytes, bytes]]:
    for name, value in fields:
        word = name.decode("latin-1").lower()
        secret = is_secret_name(word) and not (word in kept and value[:6].lower() == b"basic ")
        yield name, REDACTED.encode() if secret else value


def default_port(scheme: str) -> int:
    """The port that a URL of this scheme leaves out."""
    return 443 if scheme == "https" else 80
