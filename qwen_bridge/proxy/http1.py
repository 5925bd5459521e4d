"""HTTP/1 of a client, where mitmproxy would answer with a page, with nothing, or not at all.

mitmproxy sends a page of HTML for what is no request, closes without a word in the middle of a broken body, fails over
trailers (the client then waits for ever), and keeps a head without end. An OpenAI client reads none of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import h11
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._http1 import Http1Server, TBodyReader

from qwen_bridge.errors import BridgeError, HeadersTooLarge, InvalidRequest
from qwen_bridge.proxy.rewrite import error_response

LONGEST_HEAD = 2 * 1024 * 1024
"""Bytes of a head that has no end yet. A whole one may have `header_limit`, and is answered by its stream."""

type Commands = layer.CommandGenerator[None]


class BridgeHttp1Server(Http1Server):
    """mitmproxy's end of a client's HTTP/1 connection; `layer` puts it in its place."""

    def read_headers(self, event: events.ConnectionEvent) -> Commands:
        reading = isinstance(event, events.DataReceived)
        for command in super().read_headers(event):
            if reading and isinstance(command, commands.SendData) and b"text/html" in command.data:
                yield self._no("The bridge cannot read this as an HTTP request. Send a well-formed one.")
            else:
                yield command
        if reading and self.state == self.read_headers and len(self.buf) > LONGEST_HEAD:
            yield self._refusal(HeadersTooLarge("The request's headers have no end. Send a well-formed HTTP request."))
            yield commands.CloseConnection(self.conn)
            self.state = self.done

    def read_body(self, event: events.Event) -> Commands:
        if not isinstance(self.body_reader, _WithoutTrailers):
            self.body_reader = cast(TBodyReader, _WithoutTrailers(self.body_reader))
        for command in super().read_body(event):
            closing = isinstance(command, commands.CloseConnection) and isinstance(event, events.DataReceived)
            if closing and self.response is None:
                yield self._no("The body of the request is broken: its chunks do not say how long they are.")
            yield command

    def _no(self, sentence: str) -> commands.SendData:
        return self._refusal(InvalidRequest(sentence))

    def _refusal(self, error: BridgeError) -> commands.SendData:
        response = error_response(error)
        response.headers["connection"] = "close"
        return commands.SendData(self.conn, http1.assemble_response(response))


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
