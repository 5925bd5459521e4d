"""How the frames of one answer reach the wire: in what pieces, at what pace, and how the wire ends."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import shake_256
from itertools import pairwise

from qwen_bridge.simulator.frames import Frame

type Cut = str | Sequence[int]
"""`"whole"`, `"byte"`, `"random:SEED"`, or the byte offsets to cut at."""

_LARGEST_RANDOM_PIECE = 64


class Ending(Enum):
    """What becomes of the connection: a clean end, FIN without the last chunk, RST, or silence for ever."""

    CLEAN = "clean"
    CUT = "cut"
    RESET = "reset"
    STALL = "stall"


class Writes(Enum):
    """How often the socket is written to: what is ready at once, each frame, or each byte (of the headers too)."""

    JOINED = "joined"
    FRAMES = "frames"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A streamed answer. One frame is one HTTP chunk, and one event of the pace.

    `wait` is the time in seconds before the status line, `pace` in events per second (None: no pause at all).
    `trailers` are fields behind the body; with `hints` an interim answer (103) that has these goes before.
    With an ending that is not clean, the wire breaks behind frame number `breaks_after`; the model, as behind the
    live service, goes on at its pace to the end.
    """

    frames: tuple[Frame, ...]
    pace: float | None = None
    wait: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    hints: tuple[tuple[str, str], ...] = ()
    ending: Ending = Ending.CLEAN
    breaks_after: int = 0
    writes: Writes = Writes.JOINED


def recut(frames: Sequence[Frame], cut: Cut) -> tuple[Frame, ...]:
    """The same bytes in other pieces. The text of a frame goes with the piece that holds its last byte.

    Raises `ValueError` for a `cut` that is none of the known forms.
    """
    body = b"".join(frame.data for frame in frames)
    offsets = [0, *_offsets(cut, len(body)), len(body)]
    ends: list[tuple[int, str]] = []
    position = 0
    for frame in frames:
        position += len(frame.data)
        ends.append((position, frame.text))
    pieces: list[Frame] = []
    told = 0
    for start, end in pairwise(offsets):
        if start == end:
            continue
        text: list[str] = []
        while told < len(ends) and ends[told][0] <= end:
            text.append(ends[told][1])
            told += 1
        pieces.append(Frame(body[start:end], "".join(text)))
    return tuple(pieces)


def _offsets(cut: Cut, size: int) -> list[int]:
    if not isinstance(cut, str):
        return sorted({offset for offset in cut if 0 < offset < size})
    match cut.partition(":"):
        case ("whole", "", ""):
            return []
        case ("byte", "", ""):
            return list(range(1, size))
        case ("random", ":", seed):
            return _random_offsets(seed, size)
    raise ValueError(f"unknown cut {cut!r}: whole, byte, random:SEED or a list of offsets")


def _random_offsets(seed: str, size: int) -> list[int]:
    """Pieces of 1 to 64 bytes, the same for the same seed."""
    offsets: list[int] = []
    position = 0
    for byte in shake_256(seed.encode("utf-8", "replace")).digest(size):
        position += 1 + byte % _LARGEST_RANDOM_PIECE
        if position >= size:
            break
        offsets.append(position)
    return offsets


def compress(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames as one gzip stream, flushed after each frame so that none waits for the next."""
    squeeze = zlib.compressobj(wbits=31)
    pieces = [Frame(squeeze.compress(f.data) + squeeze.flush(zlib.Z_SYNC_FLUSH), f.text) for f in frames]
    return (*pieces, Frame(squeeze.flush(zlib.Z_FINISH)))
