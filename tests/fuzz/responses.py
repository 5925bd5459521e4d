"""What a client has received, response by response: readers of our own, for judging ours."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpack import Decoder

_DATA, _HEADERS, _END_STREAM = 0, 1, 1
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ?[^\r\n]*\r\n")


@dataclass(frozen=True)
class Response:
    """One response as far as it came. `ours` is whether the bridge has written it, and not mitmproxy."""

    status: int
    headers: dict[str, str]
    body: bytes
    complete: bool

    @property
    def ours(self) -> bool:
        return "x-request-id" in self.headers or self.headers.get("content-type") == "application/json"


def read_responses(data: bytes) -> list[Response]:
    """All responses in `data`. Raises `ValueError` where it is no HTTP/1.1."""
    found: list[Response] = []
    while data:
        status = _STATUS.match(data)
        if status is None:
            raise ValueError(f"no response begins with {data[:60]!r}")
        head, separator, rest = data[status.end() - 2 :].partition(b"\r\n\r\n")
        if not separator:
            raise ValueError(f"a head without an end: {data[:200]!r}")
        lines = [line for line in head.decode("latin-1").split("\r\n") if line]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code = int(status[1])
        body, complete, data = _body(code, headers, rest)
        found.append(Response(code, headers, body, complete))
    return found


def _body(status: int, headers: dict[str, str], rest: bytes) -> tuple[bytes, bool, bytes]:
    """The body, whether it is whole, and what comes behind it."""
    if status in (100, 204, 304):
        return b"", True, rest
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    if "content-length" in headers:
        length = int(headers["content-length"])
        if _STATUS.match(rest):  # the answer to HEAD has a length and no body
            return b"", False, rest
        return rest[:length], len(rest) >= length, rest[length:]
    return rest, False, b""  # until the connection ends


def _chunks(rest: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while rest:
        size, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return body, False, b""
        length = int(size, 16)
        if length == 0:
            return body, True, rest.removeprefix(b"\r\n")
        body += rest[:length]
        rest = rest[length + 2 :]
    return body, False, b""


def read_frames(data: bytes) -> list[Response]:
    """The responses in a server's side of an HTTP/2 connection. Raises `ValueError` where it is none."""
    decoder = Decoder()
    decoder.max_allowed_table_size = 2**32  # a damaged connection may have allowed any
    heads: dict[int, dict[str, str]] = {}
    bodies: dict[int, bytes] = {}
    ended: set[int] = set()
    while data:
        length, kind, flags, stream = int.from_bytes(data[:3]), data[3], data[4], int.from_bytes(data[5:9])
        payload, data = data[9 : 9 + length], data[9 + length :]
        if len(payload) < length:
            raise ValueError(f"a frame of {length} bytes that has {len(payload)}")
        if kind == _DATA:
            bodies[stream] = bodies.get(stream, b"") + payload
        elif kind == _HEADERS:
            heads[stream] = {str(name): str(value) for name, value in decoder.decode(payload)}
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            ended.add(stream)
    return [
        Response(int(head[":status"]), head, bodies.get(stream, b""), stream in ended) for stream, head in heads.items()
    ]
