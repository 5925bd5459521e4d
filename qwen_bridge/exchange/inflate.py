"""Upstream's content encodings, undone piece by piece.

The bridge asks for `identity`; a proxy or a CDN in between may compress all the same, and a compressed stream passed
on as text would be garbage to the client. A few bytes can be made to swell into gigabytes, so what one piece may become
is bounded, and each decoder is stopped on the way there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import brotli
import zstandard

from qwen_bridge.errors import AnswerUnreadable

INFLATED_LIMIT = 8 * 1024 * 1024
"""Bytes that one piece off the wire (64 KiB) may become; frames of an answer become about ten times their size."""

ENCODINGS_LIMIT = 4
"""Encodings upon one another; there is hardly ever a second."""

_SLICE = 64
"""Bytes given to zstd at once, which takes no limit: a block of four bytes may hold 128 KiB, so 2 MiB at worst."""


class ContentDecoder:
    """Stage[bytes, bytes] for a `content-encoding` header value; several encodings are undone from the last.

    Raises `AnswerUnreadable` when made for an encoding it does not know, or for too many, and from `feed` when the
    bytes are not what the header says, or become too many. A truncated body is not an error here: the protocol above
    notices that its end is missing.
    """

    __slots__ = ("_decoders",)

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        used = [name for name in reversed(names) if name not in ("", "identity")]
        if len(used) > ENCODINGS_LIMIT:
            raise AnswerUnreadable(f"Qwen's answer is encoded {len(used)} times, which the bridge does not undo.")
        self._decoders = [_decoder(name) for name in used]

    def feed(self, data: bytes) -> Sequence[bytes]:
        try:
            for decoder in self._decoders:
                data = decoder(data)
        except (zlib.error, brotli.error, zstandard.ZstdError) as error:
            raise AnswerUnreadable(f"Qwen's answer is compressed and cannot be read ({error}). Try again.") from None
        except _TooMuchError:
            self._decoders = []
            sentence = f"Qwen's answer is compressed, and swells beyond {INFLATED_LIMIT} bytes at once. Try again."
            raise AnswerUnreadable(sentence) from None
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
            return _Brotli().decompress
        case "zstd":
            return _Zstandard().decompress
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
            ready.append(self._inner.decompress(data, _room(ready)))
            data = self._inner.unconsumed_tail or self._inner.unused_data
        _room(ready)
        return b"".join(ready)


class _Brotli:
    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner: Any = brotli.Decompressor()

    def decompress(self, data: bytes) -> bytes:
        ready = [bytes(self._inner.process(data, output_buffer_limit=INFLATED_LIMIT + 1))]
        _room(ready)
        return ready[0]


class _Zstandard:
    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)

    def decompress(self, data: bytes) -> bytes:
        ready: list[bytes] = []
        for start in range(0, len(data), _SLICE):
            ready.append(self._inner.decompress(data[start : start + _SLICE]))
            _room(ready)
        return b"".join(ready)


class _TooMuchError(Exception):
    """A piece has become more than it may."""


def _room(ready: Sequence[bytes]) -> int:
    """How many bytes may still be made of a piece, and one, which is too many. Raises `_TooMuchError`."""
    left = INFLATED_LIMIT - sum(map(len, ready))
    if left < 0:
        raise _TooMuchError
    return left + 1


def _deflate_wbits(data: bytes) -> int:
    # A zlib header says method 8 in its low four bits; raw deflate practically never starts so.
    return 15 if data[0] & 0x0F == 8 else -15
