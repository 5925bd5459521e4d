"""Upstream's content encodings, undone piece by piece.

The bridge asks for `identity`; a proxy or a CDN in between may compress all the same, and a compressed stream passed
on as text would be garbage to the client.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import brotli
import zstandard

from qwen_bridge.errors import AnswerUnreadable


class ContentDecoder:
    """Stage[bytes, bytes] for a `content-encoding` header value; several encodings are undone from the last.

    Raises `AnswerUnreadable` when made for an encoding it does not know, and from `feed` when the bytes are not what
    the header says. A truncated body is not an error here: the protocol above notices that its end is missing.
    """

    __slots__ = ("_decoders",)

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        self._decoders = [_decoder(name) for name in reversed(names) if name not in ("", "identity")]

    def feed(self, data: bytes) -> Sequence[bytes]:
        try:
            for decoder in self._decoders:
                data = decoder(data)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise AnswerUnreadable(f"Qwen's answer is compressed and cannot be read ({error}). Try again.") from None
        return [data] if data else []

    def close(self) -> Sequence[bytes]:
        self._decoders = []
        return []


def _decoder(name: str) -> Callable[[bytes], bytes]:
    match name:
        case "gzip" | "x-gzip":
            return zlib.decompressobj(wbits=31).decompress
        case "deflate":
            return _Deflate().decompress
        case "br":
            decompressor: Any = brotli.Decompressor()
            return lambda data: bytes(decompressor.process(data))
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress
    raise AnswerUnreadable(f"Qwen's answer has the content encoding {name[:40]!r}, which the bridge does not know.")


class _Deflate:
    """`deflate` means zlib's format, and some servers send it raw; the first byte that does not fit tells."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner: Any = None

    def decompress(self, data: bytes) -> bytes:
        if self._inner is None and data:
            # A zlib header says method 8 in its low four bits; raw deflate practically never starts so.
            self._inner = zlib.decompressobj() if data[0] & 0x0F == 8 else zlib.decompressobj(wbits=-15)
        return bytes(self._inner.decompress(data)) if data else b""
