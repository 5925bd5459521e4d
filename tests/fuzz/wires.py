"""A client's bytes on a connection: good requests in HTTP/1.1 and HTTP/2, and what is left of them after accidents."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.fuzz.accidents import damaged
from tests.fuzz.requests import body

PATHS = ["/v1/chat/completions"] * 20 + ["/v1/models", "/v1/models/x", "/v1/completions", "/", "*", "//", "/v1/chat%00"]
METHODS = ["POST"] * 20 + ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "post", "P\x7fST"]
ODD_HEADERS = [
    *("content-length: 5", "content-length: -1", "content-length: 99999999999999999999", "Content-Length : 3"),
    *(
        "transfer-encoding: chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: \x0bchunked",
        "te: trailers",
    ),
    *(
        "host: api.openai.com",
        "host:",
        "host: a b",
        "host: 127.0.0.1:99999",
        "connection: close",
        "connection: upgrade",
    ),
    *(
        "expect: 100-continue",
        "upgrade: h2c",
        "content-encoding: gzip",
        "authorization: Bearer sk-fuzz",
        "x: \xff",
        ": x",
    ),
    *("origin: https://evil.example", "sec-fetch-site: cross-site", "cookie: token=x", "x: " + "a" * 5000, "\x00: y"),
]
PIECES = [
    *(b"\r\n", b"\n", b"\r\n\r\n", b" ", b":", b"0\r\n\r\n", b"ffffffff\r\n", b"5\r\n", b";x=y", b"\x00", b"\xff"),
    *(
        b"HTTP/1.1",
        b"HTTP/0.9",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01",
    ),
]
FRAMES = [
    *(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"),
    *(b"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08", b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff"),
    *(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02", b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"),
    b"\x00\x00\x05\x09\x04\x00\x00\x00\x01\x82\x86\x84\x41\x0f",
]


def _chunked(rng: random.Random, content: bytes) -> bytes:
    made, at = b"", 0
    while at < len(content):
        size = rng.randrange(1, 200)
        piece = content[at : at + size]
        made += b"%x%s\r\n%b\r\n" % (len(piece), rng.choice([b"", b"", b";a=b"]), piece)
        at += size
    return made + b"0\r\n\r\n"


def request(rng: random.Random) -> bytes:
    """One HTTP/1.1 request, mostly well-formed."""
    content = body(rng)
    framed, line = content, f"content-length: {len(content)}"
    if rng.random() < 0.3:
        framed, line = _chunked(rng, content), "transfer-encoding: chunked"
    more = rng.sample(ODD_HEADERS, rng.choice([0, 0, 0, 1, 2]))
    lines = [f"{rng.choice(METHODS)} {rng.choice(PATHS)} HTTP/1.1", "host: bridge", line, *more]
    if rng.random() < 0.1:
        lines.remove(line)
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + framed


def first(rng: random.Random) -> bytes:
    """A connection in HTTP/1.1: one request or several behind each other, perhaps damaged."""
    data = b"".join(request(rng) for _ in range(rng.choice([1, 1, 1, 2, 3])))
    return data if rng.random() < 0.5 else damaged(rng, data, PIECES)


def second(rng: random.Random) -> bytes:
    """A connection in HTTP/2: some streams, perhaps damaged, perhaps with frames that belong nowhere."""
    h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False))
    h2.initiate_connection()
    data = h2.data_to_send()
    for stream in range(1, 2 * rng.randrange(1, 4), 2):
        content = body(rng)[:16_000]
        fields = [(":method", rng.choice(METHODS)), (":scheme", rng.choice(["https", "http"]))]
        fields += [(":authority", "api.openai.com"), (":path", rng.choice(PATHS)), ("content-type", "application/json")]
        if rng.random() < 0.3:
            fields.append(
                rng.choice([("x", "y"), ("X-Upper", "y"), ("connection", "close"), (":odd", "x"), ("te", "x")])
            )
        h2.send_headers(stream, fields, end_stream=not content)
        if content:
            h2.send_data(stream, content, end_stream=rng.random() < 0.9)
        data += h2.data_to_send()
        data += rng.choice(FRAMES) if rng.random() < 0.2 else b""
    return data if rng.random() < 0.5 else damaged(rng, data, [*FRAMES, b"\x00", b"\xff" * 9])


KINDS: Sequence[tuple[str, Callable[[random.Random], bytes]]] = (("", first), ("", first), ("h2", second))
"""What the two sides have agreed on, and the client's bytes."""
