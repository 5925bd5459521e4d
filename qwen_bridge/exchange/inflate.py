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
            return _Zlib(wbits=31).decompress
        case "deflate":
            return _Zlib().decompress
        case "br":
            decompressor: Any = brotli.Decompressor()
            return lambda data: bytes(decompressor.process(data))
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress
    raise AnswerUnreadable(f"Qwen's answer has the content encoding {name[:40]!r}, which the bridge does not know.")


class _Zlib:
    """zlib's formats; without `wbits` it is `deflate`: zlib's own format, which some servers send raw.

    A body may be several gzip members (RFC 1952, 2.2), where zlib stops behind the first.
    """

    __slots__ = ("_inner", "_wbits")

    def __init__(self, wbits: int | None = None) -> None:
        self._wbits = wbits
        self._inner: Any = None

    def decompress(self, data: bytes) -> bytes:
        ready: list[bytes] = []
        while data:
            if self._inner is None or self._inner.eof:
                self._inner = zlib.decompressobj(self._wbits or _deflate_wbits(data))
            ready.append(self._inner.decompress(data))
            data = self._inner.unused_data
        return b"".join(ready)


def _deflate_wbits(data: bytes) -> int:
    # A zlib header says method 8 in its low four bits; raw deflate practically never starts so.
    return 15 if data[0] & 0x0F == 8 else -15
