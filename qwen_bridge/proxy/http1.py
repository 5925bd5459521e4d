"""HTTP/1 where mitmproxy would answer with a page, with nothing, or not at all: a client's connection, and Qwen's.

mitmproxy sends a page of HTML for what is no request, closes without a word in the middle of a broken body, fails over
trailers (the client then waits for ever), waits behind an empty line ahead of a request, and keeps a head without end.
An OpenAI client reads none of these. From Qwen's side it fails over trailers too, and takes an interim answer (103,
say) for the answer itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import h11
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream, validate_request
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestHeaders, ResponseHeaders
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server, TBodyReader

from qwen_bridge.errors import BridgeError, HeadersTooLarge, InvalidRequest
from qwen_bridge.proxy.rewrite import error_response

LONGEST_HEAD = 2 * 1024 * 1024
"""Bytes of a head that has no end yet. A whole one may have `header_limit`, and is answered by its stream."""

LONGEST_AHEAD = 64 * 1024 * 1024
"""Bytes that a client may send ahead while its request is being answered; the largest request by default has half."""

type Commands = layer.CommandGenerator[None]


class BridgeHttp1Server(Http1Server):
    """mitmproxy's end of a client's HTTP/1 connection; `layer` puts it in its place."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        reading, left = isinstance(event, events.DataReceived), len(self.buf) + 1
        # Empty lines ahead of a request are taken off one at a time (RFC 9112, 2.2), and each ends mitmproxy's reading.
        while self.state == self.read_headers and len(self.buf) < left:
            left = len(self.buf)
            yield from self._read_headers(event, reading=reading)
        if reading and self.state == self.read_headers and len(self.buf) > LONGEST_HEAD:
            yield self._refusal(HeadersTooLarge("The request's headers have no end. Send a well-formed HTTP request."))
            yield from self._hang_up()

    def _read_headers(self, event: events.ConnectionEvent, *, reading: bool) -> Commands:
        for command in super().read_headers(event):
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestHeaders):
                if not _settle_version(command.event.request):
                    yield self._no("The bridge speaks HTTP/1.1, and HTTP/2 within TLS. Send one of them.")
                    yield from self._hang_up()
                    return
                yield command
            elif reading and isinstance(command, commands.SendData) and b"text/html" in command.data:
                yield self._no("The bridge cannot read this as an HTTP request. Send a well-formed one.")
            else:
                yield command

    def read_body(self, event: events.Event) -> Commands:
        self.body_reader = _without_trailers(self.body_reader)
        for command in super().read_body(event):
            closing = isinstance(command, commands.CloseConnection) and isinstance(event, events.DataReceived)
            if closing and self.response is None:
                yield self._no("The body of the request is broken: its chunks do not say how long they are.")
            yield command

    def wait(self, event: events.Event) -> Commands:
        if isinstance(event, events.DataReceived) and len(self.buf) > LONGEST_AHEAD:
            event = events.ConnectionClosed(self.conn)
        yield from super().wait(event)

    def _hang_up(self) -> Commands:
        yield commands.CloseConnection(self.conn)
        self.state = self.done

    def _no(self, sentence: str) -> commands.SendData:
        return self._refusal(InvalidRequest(sentence))

    def _refusal(self, error: BridgeError) -> commands.SendData:
        response = error_response(error)
        response.headers["connection"] = "close"
        return commands.SendData(self.conn, http1.assemble_response(response))


class BridgeHttp1Client(Http1Client):
    """mitmproxy's end of an HTTP/1 connection to Qwen."""

    @classmethod
    def take_over(cls, client: Http1Client) -> None:
        """Turn a client that waits for its next request into ours."""
        client.__class__ = cls
        client.state = client.read_headers  # what stands there is bound to mitmproxy's own

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        interim = True
        while interim:
            interim = False
            for command in super().read_headers(event):
                interim = isinstance(command, ReceiveHttp) and _is_interim(command.event)
                if interim:
                    self.response = None  # the answer itself is still to come
                    break
                yield command

    def read_body(self, event: events.Event) -> Commands:
        self.body_reader = _without_trailers(self.body_reader)
        yield from super().read_body(event)


def is_tunnelled(stream: HttpStream) -> bool:
    """Whether what reads the stream's requests is no proxy, but stands in a tunnel, or in reverse mode."""
    return stream.mode is HTTPMode.transparent


def malformed(stream: HttpStream) -> InvalidRequest | None:
    """What mitmproxy has against the head of the stream's request, if anything."""
    request = stream.flow.request
    reason = validate_request(stream.mode, request, stream.context.options.validate_inbound_headers)
    if reason is not None and request.method == "CONNECT":
        reason = "The request asks for a tunnel within a tunnel."
    return None if reason is None else InvalidRequest(f"{reason} Send a well-formed HTTP request.")


def _is_interim(event: Any) -> bool:
    """Whether it is the head of an answer that only announces another; nobody has asked for a change of protocol."""
    return isinstance(event, ResponseHeaders) and 100 <= event.response.status_code < 200


def _settle_version(request: http.Request) -> bool:
    """Read a later version of HTTP/1 as 1.1, which it has to be compatible with; False for what is no HTTP/1."""
    if request.http_version not in ("HTTP/1.0", "HTTP/1.1") and request.http_version.startswith("HTTP/1."):
        request.http_version = "HTTP/1.1"
    return request.http_version.startswith("HTTP/1.")


def _without_trailers(reader: TBodyReader) -> TBodyReader:
    return reader if isinstance(reader, _WithoutTrailers) else cast(TBodyReader, _WithoutTrailers(reader))


class _WithoutTrailers:
    """A reader of bodies that drops what stands behind the last chunk: nobody here wants it."""

    def __init__(self, reader: Callable[[Any], Any]) -> None:
        self._reader = reader

    def __call__(self, buf: Any) -> Any:
        return _bare(self._reader(buf))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


def _bare(event: Any) -> Any:
    return h11.EndOfMessage() if isinstance(event, h11.EndOfMessage) else event
