"""What can happen to good bytes on their way: a few accidents, drawn from a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Sequence


def damaged(rng: random.Random, data: bytes, pieces: Sequence[bytes], most: int = 5) -> bytes:
    """`data` after one to `most` accidents; `pieces` are words that belong to its language."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, most + 1)):
        start = rng.randrange(len(made) + 1)
        end = min(len(made), start + rng.choice([1, 1, 3, 20, 200]))
        match rng.randrange(6):
            case 0:
                del made[start:end]
            case 1:
                made[start:end] = rng.randbytes(end - start)
            case 2:
                made[start:start] = made[start:end]
            case 3:
                made[start:] = b""
            case _:
                made[start:start] = rng.choice(pieces)
    return bytes(made)


def cut(rng: random.Random, data: bytes) -> list[bytes]:
    """`data` in pieces of any size: whole, byte by byte, or at random."""
    match rng.randrange(4):
        case 0:
            return [data] if data else []
        case 1 if len(data) < 600:
            return [data[at : at + 1] for at in range(len(data))]
        case _:
            edges = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 12)))
            return [piece for a, b in zip([0, *edges], [*edges, len(data)], strict=True) if (piece := data[a:b])]
