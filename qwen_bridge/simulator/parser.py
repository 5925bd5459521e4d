"""HTTP/1.1 requests out of bytes, one at a time, by h11. Knows no socket."""

from __future__ import annotations

from enum import Enum

import h11

from qwen_bridge.simulator.requests import Request

_HEAD_LIMIT = 256 * 1024
_BODY_LIMIT = 64 * 1024 * 1024


class BadRequest(Exception):
    """The bytes are no HTTP/1.1 request, or one of more than 64 MiB. The connection cannot go on."""


class Part(Enum):
    """What `RequestParser.next` found besides a request."""

    NEED_DATA = "more bytes are needed"
    HEAD = "the head is complete, see `head`"
    CONTINUE = "the head is complete, see `head`, and the client waits for 100 Continue"


def _fresh() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)


class RequestParser:
    """Feed bytes, then ask `next` until it needs more. After a request, `restart` makes ready for the one behind it.

    A browser's cookies are long: a head may have 256 KiB.
    """

    __slots__ = ("_body", "_connection", "_size", "head")

    def __init__(self) -> None:
        self._connection = _fresh()
        self._body: list[bytes] = []
        self._size = 0
        self.head: Request | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes of the client; they are not looked at yet."""
        self._connection.receive_data(data)

    def next(self) -> Part | Request:
        """The next thing that is complete. Raises `BadRequest`."""
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise BadRequest(str(error)) from error
            match event:
                case h11.Request():
                    return self._take_head(event)
                case h11.Data():
                    self._take_body(bytes(event.data))
                case h11.EndOfMessage() if self.head is not None:
                    head = self.head
                    body = b"".join(self._body)
                    return Request(method=head.method, target=head.target, headers=head.headers, body=body)
                case _:
                    return Part.NEED_DATA

    def restart(self) -> None:
        """Make ready for the next request; the bytes behind the last one are kept."""
        rest, _ = self._connection.trailing_data
        self._connection = _fresh()
        self._body = []
        self._size = 0
        self.head = None
        if rest:
            self.feed(rest)

    def _take_head(self, event: h11.Request) -> Part:
        if event.http_version != b"1.1":
            raise BadRequest("HTTP/1.1 is spoken here")
        headers: dict[str, str] = {}
        for raw_name, raw_value in event.headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            glue = "; " if name == "cookie" else ", "
            headers[name] = f"{headers[name]}{glue}{value}" if name in headers else value
        self.head = Request(method=event.method.decode(), target=event.target.decode("latin-1"), headers=headers)
        return Part.CONTINUE if self._connection.they_are_waiting_for_100_continue else Part.HEAD

    def _take_body(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        if self._size > _BODY_LIMIT:
            raise BadRequest("the body is too long")
