"""Fifty conversations while everything breaks: `scripts/chaos` prints what came of it.

    python -m tests.chaos.run [--seconds 600] [--seed N] [--agents 50]

Two mitmdump, one on SQLite and one on Redis, before one simulated Qwen that refuses, stalls and breaks by chance; the
bridges are killed and ended, the stores blink, accounts are throttled, chats disappear. The seed decides what clients
do and what befalls whom; the moments are real time's, so that a second run is like the first and not the same.

Held against it: every answer was given in its client's own history and says what Qwen said there; every call is whole
and came once; no word strays into another's answer; every request ended with an answer or a legal error; the bridges
logged no error; and when the storm is over everybody is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import percentile
from tests.bench.processor import machine
from tests.chaos.agent import Agent
from tests.chaos.line import Line, Way
from tests.chaos.qwen import ACCOUNTS, STREAMS, ChaosQwen
from tests.chaos.record import Record
from tests.chaos.service import Service
from tests.chaos.storms import Scene, rage
from tests.harness.redis_server import PROGRAMS, RedisServer, redis_server

COOLDOWN = 1.0
CHOSEN: dict[str, Any] = {
    "account_streams": STREAMS,
    "cooldown": COOLDOWN,
    "drain": 1,
    "attempts": 5,
    "patience": 6,
    "first_byte_timeout": 3,
    "idle_timeout": 3,
    "keepalive": 1,
    "queue_timeout": 20,
}
"""How the bridges are set, so that what takes minutes elsewhere takes seconds here."""

DEADLINE = 20.0 + 5 * (3.0 + 3.0) + 6.0 + 30.0
"""Seconds in which every request must have ended: the queue, the attempts, the waits, the longest answer."""

FAULT_RATE = 0.15
WAYS: tuple[Way, ...] = ("base URL", "base URL", "base URL", "base URL", "proxy", "proxy, HTTP/2")


@contextlib.asynccontextmanager
async def scene(seed: str, folder: Path, record: Record) -> AsyncIterator[Scene]:
    """Everything running, and ended afterwards."""
    first, second = ACCOUNTS
    with _redis(folder, record) as redis:
        store = {"store": "redis", "redis_url": redis.url} if redis is not None else {}
        async with ChaosQwen(seed, FAULT_RATE) as qwen:
            alone = Service("alone", qwen.url, folder, token=first, **CHOSEN)
            shared = Service("shared", qwen.url, folder, token=second, **CHOSEN, **store)
            try:
                await asyncio.gather(alone.start(), shared.start())
                yield Scene(qwen, alone, shared, redis, random.Random(f"{seed}/storms"), record)
            finally:
                for service in (alone, shared):
                    await service.terminate()
                    record.counts["processor, ms: bridges"] += round(service.processor * 1000)


@contextlib.contextmanager
def _redis(folder: Path, record: Record) -> Iterator[RedisServer | None]:
    if not any(map(shutil.which, PROGRAMS)):
        record.counts["no Redis here: both bridges on SQLite"] += 1
        yield None
        return
    with redis_server(folder, keeps=True) as server:
        yield server


async def storm(seconds: float, seed: str, agents: int, folder: Path) -> Record:
    """The run. Returns what was seen."""
    record = Record()
    began = time.monotonic()
    async with scene(seed, folder, record) as stage:
        every = min(4.0, seconds / 40)
        crowd = [_agent(number, stage, record, seed) for number in range(agents)]
        lives = [asyncio.create_task(agent.live()) for agent in crowd]
        await rage(stage, seconds, every)
        for agent in crowd:
            agent.over = True
        await asyncio.gather(*lives)
        stage.qwen.calm = True
        await asyncio.sleep(6 * COOLDOWN)  # an account may still rest; longer from the second time on
        await asyncio.gather(*(agent.last_turn() for agent in crowd))
        record.held_against(turn.to_json() for turn in stage.qwen.ledger.turns)
        for name, count in stage.qwen.struck.items():
            record.counts[f"fault: {name}"] += count
        record.counts["refused by Qwen's rules"] += len(stage.qwen.ledger.refused) - sum(
            1 for refused in stage.qwen.ledger.refused if refused.reason in stage.qwen.struck
        )
    for service in (stage.alone, stage.shared):
        record.counts[f"starts: {service.name}"] = service.lives
        if service.errors:
            record.complain("an error in the log", f"{service.name}: {service.errors[:1400]}")
        if "Traceback" in service.log:
            at = service.log.index("Traceback")
            record.complain("an exception in the log", f"{service.name}: {service.log[max(0, at - 300) : at + 1200]}")
    own = resource.getrusage(resource.RUSAGE_SELF)
    record.counts["processor, ms: clients and Qwen"] = round((own.ru_utime + own.ru_stime) * 1000)
    record.counts["seconds"] = round(time.monotonic() - began)
    return record


def _agent(number: int, stage: Scene, record: Record, seed: str) -> Agent:
    service = (stage.alone, stage.shared)[number % 2]
    line = Line(f"client {number}".replace(" ", "-"), service, WAYS[number // 2 % len(WAYS)], record, DEADLINE)
    return Agent(number, line, record, seed)


def report(record: Record) -> str:
    """The figures as lines of a table, and what is wrong."""
    waits = sorted(record.waits)
    lines = ["figure | value", "--- | ---:"]
    lines += [f"{name} | {count:,}" for name, count in sorted(record.counts.items())]
    if waits:
        lines += [f"longest request, seconds | {waits[-1]:.1f}", f"median, seconds | {percentile(waits, 50):.2f}"]
    lines += [f"wrong | {len(record.wrong)}", *record.wrong]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", default=None, help="any word; one is drawn and printed without")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--keep", type=Path, default=None, help="an empty folder for logs and stores, kept afterwards")
    chosen = parser.parse_args()
    seed = chosen.seed or f"{random.randrange(10**6)}"
    print(f"seed {seed}, {chosen.seconds:g} seconds, {chosen.agents} conversations; {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="qwen-bridge-chaos-") as made:
        record = asyncio.run(storm(chosen.seconds, seed, chosen.agents, chosen.keep or Path(made)))
    print(report(record))
    return 1 if record.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
