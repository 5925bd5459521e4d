"""Content encodings undone: of Qwen's answers piece by piece, of a client's request at once.

The bridge asks Qwen for `identity`; a proxy or a CDN in between may compress all the same, and a compressed stream
passed on as text would be garbage to the client. A client may compress what it sends. A few bytes can be made to swell
into gigabytes, so what they may become is bounded, and each decoder is stopped on the way there.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import brotli
import zstandard

from qwen_bridge.errors import AnswerUnreadable, InvalidRequest, RequestTooLarge

INFLATED_LIMIT = 8 * 1024 * 1024
"""Bytes that one piece off the wire (64 KiB) may become; frames of an answer become about ten times their size."""

ENCODINGS_LIMIT = 4
"""Encodings upon one another; there is hardly ever a second."""

PIECE = 64 * 1024
"""Bytes of a whole body that are unpacked at a time."""

MEMBERS_LIMIT = 1000
"""Members of gzip in one body; each costs a copy of the rest of its piece."""

_WINDOW = 8 * 1024 * 1024
"""Bytes that zstd may have to look back, and keep room for (RFC 9659)."""

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
        used = _used(encoding)
        if len(used) > ENCODINGS_LIMIT:
            raise AnswerUnreadable(f"Qwen's answer is encoded {len(used)} times, which the bridge does not undo.")
        try:
            self._decoders = [_decoder(name, INFLATED_LIMIT) for name in used]
        except KeyError as error:
            raise AnswerUnreadable(
                f"Qwen's answer has the content encoding {error.args[0]!r}, which the bridge does not know."
            ) from None

    def feed(self, data: bytes) -> Sequence[bytes]:
        try:
            for decoder in self._decoders:
                data = decoder(data)
        except _BROKEN as error:
            raise AnswerUnreadable(f"Qwen's answer is compressed and cannot be read ({error}). Try again.") from None
        except _TooMuchError:
            self._decoders = []
            sentence = f"Qwen's answer is compressed, and swells beyond {INFLATED_LIMIT} bytes at once. Try again."
            raise AnswerUnreadable(sentence) from None
        return [data] if data else []

    def close(self) -> Sequence[bytes]:
        self._decoders = []
        return []


def inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """A client's whole body with its content encodings undone; `encoding` is the header's value.

    Raises `InvalidRequest` for an encoding that is not known and for bytes that are not what the header says,
    `RequestTooLarge` when they become more than `limit`. Of a body that is cut off, what is there.
    """
    used = _used(encoding)
    try:
        for decode in _decoders(used, limit):
            body = _all_of(decode, body, limit)
    except KeyError as error:
        raise InvalidRequest(
            f"The request's content encoding {error.args[0]!r} is not known. Use gzip, deflate, br, zstd or none."
        ) from None
    except _BROKEN as error:
        raise InvalidRequest(
            f"The body of the request is not {encoding[:40]!r}, as content-encoding says ({error}). Send it plain."
        ) from None
    except _TooMuchError:
        raise RequestTooLarge(
            f"The request is compressed, and unpacked larger than {limit:,} bytes. Send less history at once."
        ) from None
    return body


def _used(encoding: str) -> list[str]:
    """The encodings to be undone, the first one first."""
    names = [name.strip().lower() for name in encoding.split(",")]
    return [name for name in reversed(names) if name not in ("", "identity")]


def _all_of(decode: Callable[[bytes], bytes], body: bytes, limit: int) -> bytes:
    ready: list[bytes] = []
    size = 0
    for start in range(0, len(body), PIECE):
        ready.append(decode(body[start : start + PIECE]))
        size += len(ready[-1])
        if size > limit:
            raise _TooMuchError
    return b"".join(ready)


def _decoders(names: Sequence[str], limit: int) -> list[Callable[[bytes], bytes]]:
    if len(names) > ENCODINGS_LIMIT:
        raise KeyError(", ".join(names)[:40])
    return [_decoder(name, limit) for name in names]


def _decoder(name: str, limit: int) -> Callable[[bytes], bytes]:
    """A decoder each of whose pieces may become `limit` bytes. Raises `KeyError` for an encoding that is not known."""
    match name:
        case "gzip" | "x-gzip":
            return _Zlib(limit, wbits=31).decompress
        case "deflate":
            return _Zlib(limit).decompress
        case "br":
            return _Brotli(limit).decompress
        case "zstd":
            return _Zstandard(limit).decompress
    raise KeyError(name[:40])


class _TooMuchError(Exception):
    """A piece has become more than it may."""


class _ManyMembersError(Exception):
    """It would cost too much to go on."""

    def __str__(self) -> str:
        return "too many members"


_BROKEN = (zlib.error, brotli.error, zstandard.ZstdError, _ManyMembersError)
"""What says that bytes are not what they should be."""


class _Zlib:
    """zlib's formats; without `wbits` it is `deflate`: zlib's own format, which some servers send raw.

    A body may be several gzip members (RFC 1952, 2.2), where zlib stops behind the first.
    """

    __slots__ = ("_inner", "_limit", "_members", "_wbits")

    def __init__(self, limit: int, wbits: int | None = None) -> None:
        self._limit = limit
        self._wbits = wbits
        self._members = 0
        self._inner: Any = None

    def decompress(self, data: bytes) -> bytes:
        ready: list[bytes] = []
        left = self._limit
        while data:
            if self._inner is None or self._inner.eof:
                self._members += 1
                if self._members > MEMBERS_LIMIT:
                    raise _ManyMembersError
                self._inner = zlib.decompressobj(self._wbits or _deflate_wbits(data))
            ready.append(self._inner.decompress(data, left + 1))
            left -= len(ready[-1])
            if left < 0:
                raise _TooMuchError
            data = self._inner.unconsumed_tail or self._inner.unused_data
        return b"".join(ready)


class _Brotli:
    __slots__ = ("_inner", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inner: Any = brotli.Decompressor()

    def decompress(self, data: bytes) -> bytes:
        ready = bytes(self._inner.process(data, output_buffer_limit=self._limit + 1))
        if len(ready) > self._limit:
            raise _TooMuchError
        return ready


class _Zstandard:
    __slots__ = ("_inner", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inner = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj(read_across_frames=True)

    def decompress(self, data: bytes) -> bytes:
        ready: list[bytes] = []
        left = self._limit
        for start in range(0, len(data), _SLICE):
            ready.append(self._inner.decompress(data[start : start + _SLICE]))
            left -= len(ready[-1])
            if left < 0:
                raise _TooMuchError
        return b"".join(ready)


def _deflate_wbits(data: bytes) -> int:
    # A zlib header says method 8 in its low four bits; raw deflate practically never starts so.
    return 15 if data[0] & 0x0F == 8 else -15
