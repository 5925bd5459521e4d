"""How long it takes to name a history and to find it: `scripts/contexts --naming` prints the table.

The best of many runs: what the work costs, not what else the machine does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qwen_bridge.conversation.keys import Scope, chain
from qwen_bridge.conversation.planner import candidates
from qwen_bridge.messages import ChatRequest, Message, TextPart
from qwen_bridge.ports import Anchor
from qwen_bridge.store.sqlite import SQLiteStore
from tests.harness.ports import FixedClock

SCOPE = Scope("client", "account", "qwen3-max")
MEBI = 2**20


@dataclass(frozen=True)
class Time:
    """Milliseconds for a history of so many messages and bytes: to name all its prefixes, to ask SQLite for them."""

    messages: int
    size: int
    naming: float
    finding: float


def history(messages: int, size: int) -> ChatRequest:
    text = "def function(value):\n    return value\n" * (size // messages // 38 + 1)
    parts = (TextPart(text[: size // messages]),)
    turns = tuple(Message("user" if n % 2 == 0 else "assistant", parts) for n in range(messages - 1))
    return ChatRequest("m", (*turns, Message("user", parts)))


async def measured(cases: Sequence[tuple[int, int]], runs: int = 30) -> list[Time]:
    """One line for each case, a number of messages and of bytes."""
    times: list[Time] = []
    with tempfile.TemporaryDirectory() as folder:
        for at, (messages, size) in enumerate(cases):
            store = SQLiteStore(Path(folder) / f"{at}.sqlite3", FixedClock())
            request = history(messages, size)
            keys = candidates(request, chain(SCOPE, request.dialogue))
            for depth, key in enumerate(keys):
                await store.put(key, Anchor("chat", str(depth), "m", "a", "i", depth))
            naming, finding = float("inf"), float("inf")
            for _ in range(runs):
                start = time.perf_counter()
                asked = candidates(request, chain(SCOPE, request.dialogue))
                middle = time.perf_counter()
                await store.find(asked)
                naming = min(naming, middle - start)
                finding = min(finding, time.perf_counter() - middle)
            await store.close()
            times.append(Time(messages, size, naming * 1000, finding * 1000))
    return times


def table(times: Sequence[Time]) -> str:
    """The figures as lines of a table."""
    lines = ["messages | bytes | naming, ms | finding in SQLite, ms", "---: | ---: | ---: | ---:"]
    return "\n".join([*lines, *(f"{t.messages} | {t.size:,} | {t.naming:.2f} | {t.finding:.2f}" for t in times)])


if __name__ == "__main__":
    cases = [(200, MEBI // 4), (200, MEBI), (200, 4 * MEBI), (1000, MEBI)]
    print(table(asyncio.run(measured(cases))))
