"""One client connection: bytes → requests → outcomes → bytes. Writes by hand, so that the wire can also be broken."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Protocol

from qwen_bridge.simulator.completions import Outcome
from qwen_bridge.simulator.delivery import Delivery, Ending, Writes
from qwen_bridge.simulator.generation import Generation
from qwen_bridge.simulator.parser import BadRequest, Part, RequestParser
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.stream import Stream
from qwen_bridge.simulator.strikes import Break

_REASONS = {
    103: "Early Hints",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_STREAM_TYPE = "text/event-stream"
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Service(Protocol):
    """What a connection asks."""

    def strike_at_head(self, request: Request) -> Break | None:
        """A fault that is due before the body of `request` has been read."""

    def respond(self, request: Request) -> Outcome:
        """What to do about a request."""

    def opened(self, connection: Connection) -> None:
        """A client has come."""

    def closed(self, connection: Connection) -> None:
        """A client has gone."""

    def started(self, stream: Stream) -> None:
        """An answer is on its way."""


class Connection(asyncio.Protocol):
    """Serves one request after the other. Bytes that come during an answer wait in the parser."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._parser = RequestParser()
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._stream: Stream | None = None
        self._writes = Writes.JOINED
        self._trailers: Sequence[tuple[str, str]] = ()
        self._last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._service.closed(self)
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.detach()

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        self._advance()

    def abort(self) -> None:
        """Reset the connection."""
        self.break_off(Ending.RESET)

    # What a stream writes (`stream.Wire`).

    def open_stream(self, delivery: Delivery) -> None:
        self._writes, self._trailers = delivery.writes, delivery.trailers
        if delivery.hints:
            self._write([_head(103, delivery.hints)])
        headers = (("content-type", _STREAM_TYPE), ("cache-control", "no-cache"), *delivery.headers)
        self._write([_head(200, (*headers, ("transfer-encoding", "chunked")))])

    def send(self, pieces: Sequence[bytes]) -> None:
        self._write([_chunk(piece) for piece in pieces if piece])

    def end_stream(self) -> None:
        self._write([b"0\r\n", _fields(self._trailers)])
        self._stream = None
        self._done()

    def break_off(self, ending: Ending) -> None:
        """Silence: the connection stays, and nothing more is read or written. Else it ends."""
        transport = self._transport
        if transport is None or ending is Ending.STALL:
            return
        self._transport = None
        if ending is Ending.RESET:
            raw: socket.socket | None = transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()
        else:
            transport.close()

    # Requests.

    def _advance(self) -> None:
        while not self._busy and self._transport is not None:
            try:
                found = self._parser.next()
            except BadRequest as error:
                self._last = True
                self._reply(Reply.json_of({"detail": str(error)}, 400))
                return
            match found:
                case Part.NEED_DATA:
                    return
                case Part.HEAD | Part.CONTINUE:
                    self._at_head(found)
                case Request():
                    self._respond(found)

    def _at_head(self, part: Part) -> None:
        assert self._parser.head is not None
        strike = self._service.strike_at_head(self._parser.head)
        if strike is not None:
            self.break_off(strike.ending)
        elif part is Part.CONTINUE:
            self._write([b"HTTP/1.1 100 Continue\r\n\r\n"])

    def _respond(self, request: Request) -> None:
        self._busy = True
        self._last = request.header("connection").lower() == "close"
        match self._service.respond(request):
            case Reply() as reply:
                self._reply(reply)
            case Break(ending):
                self.break_off(ending)
            case Generation() as generation:
                self._stream = Stream(generation, self, asyncio.get_running_loop())
                self._service.started(self._stream)
                self._stream.start()

    def _reply(self, reply: Reply) -> None:
        headers = (("content-type", reply.content_type), *reply.headers)
        if reply.content_type == _STREAM_TYPE:
            head = _head(reply.status, (*headers, ("transfer-encoding", "chunked")))
            body = _chunk(reply.body) + b"0\r\n\r\n" if reply.body else b"0\r\n\r\n"
        else:
            head = _head(reply.status, (*headers, ("content-length", str(len(reply.body)))))
            body = reply.body
        self._write([head + body])
        self._done()

    def _done(self) -> None:
        """The answer is out; go on with what the client has sent meanwhile."""
        self._busy = False
        self._writes = Writes.JOINED
        if self._last:
            if self._transport is not None:
                self._transport.close()
            return
        self._parser.restart()
        self._advance()

    def _write(self, pieces: Sequence[bytes]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        match self._writes:
            case Writes.JOINED:
                transport.write(b"".join(pieces))
            case Writes.FRAMES:
                for piece in pieces:
                    transport.write(piece)
            case Writes.BYTES:
                for byte in b"".join(pieces):
                    transport.write(bytes((byte,)))


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\n".encode() + _fields(headers)


def _fields(fields: Sequence[tuple[str, str]]) -> bytes:
    """Lines of fields, and the empty one behind them."""
    return ("".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n").encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
