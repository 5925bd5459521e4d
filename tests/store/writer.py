"""A process that writes to a SQLite store and says after each put that it is done; its parent ends it when it likes.

    python -m tests.store.writer FILE FIRST LAST BOUND

What is put under a key follows from the key, so that whoever reads the file can tell a wrong anchor from a right one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from qwen_bridge.ports import Anchor
from qwen_bridge.store.sqlite import SQLiteStore
from tests.store.clock import SetClock

CHATS = 7


def key(number: int) -> str:
    return f"{number:064x}"


def anchor(number: int) -> Anchor:
    """The only right anchor of `key(number)`. Turns of several chats come in turn, each hanging on the one before."""
    before = f"node{number - CHATS}" if number >= CHATS else ""
    depth = 2 * (number // CHATS + 1)
    return Anchor(f"chat{number % CHATS}", f"node{number}", "qwen3-max", "a" * 64, f"i{number}", depth, before)


def dropped(number: int) -> bool:
    """Whether the node is forgotten again, as if Qwen had refused it, before the put is reported."""
    return number % 10 == 9


async def write(path: Path, first: int, last: int, bound: int) -> None:
    store = SQLiteStore(path, SetClock(), max_anchors=bound)
    for number in range(first, last):
        await store.put(key(number), anchor(number))
        if dropped(number):
            await store.drop(f"chat{number % CHATS}", f"node{number}")
        print(number, flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
