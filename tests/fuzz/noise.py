"""Bytes that Qwen might send on a bad day: noise, and good streams with something broken in them. Seeded."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.qwen.frames import STREAMS

PIECES = [
    b"data: ",
    b"data:",
    b"\n",
    b"\r\n",
    b"\r",
    b": ",
    b"{",
    b"}",
    b'"',
    b"[DONE]",
    b"null",
    b"\xff\xfe",
    b"event: x\n",
]
GOOD: Sequence[bytes] = list(STREAMS.values())


def noise(rng: random.Random) -> bytes:
    """Any bytes at all."""
    return rng.randbytes(rng.choice([0, 1, 7, 200, 3000]))


def pieces(rng: random.Random) -> bytes:
    """The words of the protocol in any order."""
    return b"".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 60)))


def mutated(rng: random.Random) -> bytes:
    """A good stream after a few accidents."""
    data = bytearray(rng.choice(GOOD))
    for _ in range(rng.randrange(1, 6)):
        start = rng.randrange(len(data) + 1)
        end = min(len(data), start + rng.choice([1, 1, 3, 20, 200]))
        match rng.randrange(4):
            case 0:
                del data[start:end]
            case 1:
                data[start:end] = rng.randbytes(end - start)
            case 2:
                data[start:start] = data[start:end]
            case _:
                data[start:start] = rng.choice(PIECES)
    return bytes(data)


def cut_short(rng: random.Random) -> bytes:
    """A good stream that ends early."""
    data = rng.choice(GOOD)
    return data[: rng.randrange(len(data) + 1)]


KINDS: Sequence[Callable[[random.Random], bytes]] = (noise, pieces, mutated, mutated, cut_short)


def case(seed: int) -> bytes:
    """The body of one case; the same for the same seed everywhere."""
    rng = random.Random(seed)
    return rng.choice(KINDS)(rng)
