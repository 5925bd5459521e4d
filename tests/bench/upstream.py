"""The fake upstream of a bench: the project's simulator, each answer stamped with the moment at which it began.

As a program it is `qwen-bridge simulate` with any number of streams for one account::

    python -m tests.bench.upstream PORT [--tls]

A scripted text made by `speech` goes out in pieces of `len(STAMP)` characters: the stamp, then counted ones. A reader
that finds the stamp knows when each piece was due (a monotonic clock is the same for every process of a machine), and
so how late it came, whichever way it took.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import replace

from qwen_bridge.simulator.completions import Outcome
from qwen_bridge.simulator.delivery import Delivery
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.generation import Generation
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings

STAMP = "@00000000.000000"
"""Where the time goes: seconds of the monotonic clock at which the piece itself is due."""


def speech(pieces: int) -> str:
    """A text of `pieces` pieces as long as the stamp, which is the first; the others say their number."""
    return STAMP + "".join(f"#{number:06d} and on, " for number in range(1, pieces))


def stamped(delivery: Delivery, now: float) -> Delivery:
    """`delivery`, which begins `now`, with the time in the place of the stamp; others come back as they are."""
    frames = list(delivery.frames)
    position = _position(frames)
    if position is None:
        return delivery
    due = now + (position / delivery.pace if delivery.pace else 0.0)
    data = frames[position].data.replace(STAMP.encode(), f"@{due:015.6f}".encode())
    frames[position] = Frame(data, frames[position].text)
    return replace(delivery, frames=tuple(frames))


class StampingSimulator(Simulator):
    """A simulator that says in each scripted `speech` when it began."""

    def respond(self, request: Request) -> Outcome:
        outcome = super().respond(request)
        if isinstance(outcome, Generation):
            # Last of all: making the frames takes a while, and sending them begins right behind this line.
            outcome.delivery = stamped(outcome.delivery, time.monotonic())
        return outcome


def _position(frames: Sequence[Frame]) -> int | None:
    return next((position for position, frame in enumerate(frames) if STAMP.encode() in frame.data), None)


async def _serve(simulator: Simulator) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with simulator:  # leaving it removes the files of its certificate
        await over.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", action="store_true")
    chosen = parser.parse_args()
    # Seeded by the port and not by chance: every bridge of a bench is as new as its simulator.
    settings = Settings(max_streams=None, seed=f"bench-{chosen.port}")
    asyncio.run(_serve(StampingSimulator(chosen.port, tls=chosen.tls, settings=settings)))


if __name__ == "__main__":
    main()
