"""A hundred clients for ten minutes, and a thousand requests at once: `scripts/load` prints what came of it.

    python -m tests.load.run [--seconds 600] [--clients 100] [--rush 1200] [--seed N]

The clients are those of the chaos run, with nothing to fear: streams and documents, loops with tools, long histories,
edits, clients that hang up; at the base URL, through the proxy, and through it in HTTP/2 over connections that last.
One real mitmdump before one simulated Qwen. No request may fail; memory and open files must not grow; what is
remembered stays within its bound. Then a second bridge, on an account that bears two answers at once, is asked by a
crowd: who finds a place is served in turn, who finds none is told so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qwen_bridge.bridge.conversations import DATABASE
from tests.bench.figures import percentile
from tests.bench.processor import machine
from tests.chaos.agent import Agent
from tests.chaos.line import Line
from tests.chaos.qwen import ChaosQwen
from tests.chaos.record import Record
from tests.chaos.run import WAYS
from tests.chaos.service import Service
from tests.load.crowd import Crowd, rush
from tests.load.samples import MEBI, Samples, drift, mebi

DEADLINE = 120.0
MOST_ANCHORS = 5_000
QUEUE = 1_000
SAMPLE_EVERY = 2.0
FAILURES = ("refused: ", "broken off: ", "cut by ")


@dataclass
class Load:
    """What was seen. `settled` is memory and open files a while after the last client has gone."""

    record: Record
    memory: Samples = field(default_factory=Samples)
    files: Samples = field(default_factory=Samples)
    settled: dict[str, int] = field(default_factory=dict)
    anchors: int = 0
    processor: float = 0.0
    crowd: Crowd | None = None

    @property
    def warm(self) -> float:
        """Seconds after which a process has loaded what it needs, and the clients have their connections."""
        return min(60.0, self.memory.times[-1] / 4)

    @property
    def growth(self) -> tuple[float, float]:
        return drift(self.memory, self.warm, min(60.0, self.memory.times[-1] / 4))

    @property
    def later_growth(self) -> tuple[float, float]:
        """Memory in the second half: what is remembered has reached its bound, and the longest histories their ends."""
        return drift(self.memory, self.memory.times[-1] / 2, min(60.0, self.memory.times[-1] / 8))

    @property
    def failures(self) -> int:
        """Requests that ended in anything but an answer, or the client's own leaving."""
        return sum(count for name, count in self.record.counts.items() if name.startswith(FAILURES))


async def loaded(seconds: float, clients: int, crowd: int, seed: str, folder: Path) -> Load:
    """The run."""
    load = Load(Record())
    async with ChaosQwen(seed, 0.0, max_streams=None) as qwen:
        service = Service("load", qwen.url, folder, account_streams=0, max_anchors=MOST_ANCHORS)
        await service.start()
        try:
            await _talk(load, service, seconds, clients, seed)
            load.settled = dict(service.sample())
            load.record.held_against(turn.to_json() for turn in qwen.ledger.turns)
        finally:
            await service.terminate()
        load.processor = service.processor
        with contextlib.closing(sqlite3.connect(service.folder / DATABASE)) as store:
            (load.anchors,) = store.execute("SELECT count(*) FROM anchors").fetchone()
        qwen.reset()
        if crowd:
            load.crowd = await _crowded(qwen, crowd, folder)
    if service.errors:
        load.record.complain("an error in the log", service.errors)
    return load


async def _talk(load: Load, service: Service, seconds: float, clients: int, seed: str) -> None:
    crowd = [
        Agent(
            number,
            Line(f"client-{number}", service, WAYS[number % len(WAYS)], load.record, DEADLINE),
            load.record,
            seed,
            pause=(1.0, 4.0),
            longest=80 if number % 5 == 0 else 14,
        )
        for number in range(clients)
    ]
    lives = [asyncio.create_task(agent.live()) for agent in crowd]
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        await asyncio.sleep(min(SAMPLE_EVERY, seconds / 10))
        sample = service.sample()
        load.memory.add(time.monotonic() - began, sample["bytes"])
        load.files.add(time.monotonic() - began, sample["files"])
    for agent in crowd:
        agent.over = True
    await asyncio.gather(*lives)
    await asyncio.gather(*(agent.last_turn() for agent in crowd))
    await asyncio.sleep(2.0)


async def _crowded(qwen: ChaosQwen, size: int, folder: Path) -> Crowd:
    chosen: dict[str, Any] = {"account_streams": 2, "queue_limit": QUEUE, "queue_timeout": 600}
    service = Service("crowded", qwen.url, folder, **chosen)
    await service.start()
    try:
        crowd = await rush(service, size)
    finally:
        await service.terminate()
    if service.errors:
        crowd.wrong.append(service.errors)
    return crowd


def report(load: Load) -> str:
    """The figures as lines of a table, and what is wrong."""
    waits, growth = sorted(load.record.waits), load.growth
    lines = ["figure | value", "--- | ---:"]
    lines += [f"{name} | {count:,}" for name, count in sorted(load.record.counts.items())]
    lines += [
        f"requests that failed | {load.failures}",
        f"memory, the first minute after warm-up and the last | {mebi(growth)}",
        f"memory, the first minute of the second half and the last | {mebi(load.later_growth)}",
        f"its growth per minute, median | {load.memory.slope(load.warm) / MEBI:+.2f} MiB",
        f"memory when all clients had gone | {mebi([load.settled['bytes']])}",
        f"open files, likewise | {' → '.join(f'{v:g}' for v in drift(load.files, load.warm, 60.0))}",
        f"open files when all clients had gone | {load.settled['files']}",
        f"anchors remembered, of at most {MOST_ANCHORS:,} | {load.anchors:,}",
        f"processor, seconds of the bridge | {load.processor:.0f}",
        f"longest request, seconds | {waits[-1]:.1f}",
        f"median, seconds | {percentile(waits, 50):.2f}",
    ]
    wrong = list(load.record.wrong)
    if (crowd := load.crowd) is not None:
        lines += [
            f"crowd: served | {len(crowd.served):,}",
            *(f"crowd: {name} | {count:,}" for name, count in crowd.refused.items()),
            f"crowd: widest distance between two of its clients, in answers | {crowd.spread}",
            f"crowd: seconds | {crowd.seconds:.1f}",
        ]
        wrong += crowd.wrong
    return "\n".join([*lines, f"wrong | {len(wrong)}", *wrong[:50]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rush", type=int, default=1200, help="requests at once on one account; 0 leaves them out")
    parser.add_argument("--seed", default=None, help="any word; one is drawn and printed without")
    chosen = parser.parse_args()
    seed = chosen.seed or f"{random.randrange(10**6)}"
    print(f"seed {seed}, {chosen.seconds:g} seconds, {chosen.clients} clients; {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="qwen-bridge-load-") as folder:
        load = asyncio.run(loaded(chosen.seconds, chosen.clients, chosen.rush, seed, Path(folder)))
    print(report(load))
    return 1 if load.failures or load.record.wrong or (load.crowd and load.crowd.wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
