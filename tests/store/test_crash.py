"""What is left after `kill -9`, and what two processes on one file do to one another."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from qwen_bridge.ports import Anchor
from qwen_bridge.store.sqlite import SQLiteStore
from tests.harness.house import ROOT
from tests.store.clock import SetClock
from tests.store.writer import anchor, dropped, key

PUTS = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchors.db"


async def started(path: Path, first: int, last: int, bound: int = 10_000) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.store.writer", str(path), *map(str, (first, last, bound))),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


async def killed_after(process: asyncio.subprocess.Process, puts: int, delay: float) -> list[int]:
    """Kill the writer a little after it has reported so many puts; all the puts that it reported."""
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(puts)]
    await asyncio.sleep(delay)
    with suppress(ProcessLookupError):  # it was done already
        process.kill()
    return [*map(int, filter(None, lines)), *await finished(process)]


async def finished(process: asyncio.subprocess.Process) -> list[int]:
    """Await the writer's end; the puts that it reported meanwhile."""
    assert process.stdout is not None
    lines = (await process.stdout.read()).splitlines()
    await process.wait()
    return [int(line) for line in lines]


def intact(path: Path) -> bool:
    with sqlite3.connect(path) as other:
        answer = (
            other.execute("PRAGMA integrity_check").fetchall() + other.execute("PRAGMA foreign_key_check").fetchall()
        )
    other.close()
    return answer == [("ok",)]


async def read(path: Path, count: int) -> dict[int, list[Anchor]]:
    """What a bridge that starts now finds."""
    store = SQLiteStore(path, SetClock())
    found = await store.find([key(number) for number in range(count)])
    counts = await store.counts()
    await store.close()
    assert counts.anchors == sum(map(len, found.values()))  # nothing lies there that cannot be found
    return {int(name, 16): anchors for name, anchors in found.items()}


@pytest.mark.parametrize("kills", [5, pytest.param(60, marks=pytest.mark.slow)])
async def test_killed_at_random_moments(path: Path, kills: int) -> None:
    """However often the writer is killed, the file opens, holds no wrong anchor, and has the last put it reported."""
    chance = random.Random(kills)
    for _ in range(kills):
        writer = await started(path, 0, PUTS, bound=150)
        reported = await killed_after(writer, chance.randrange(PUTS), chance.random() / 500)
        assert intact(path)
        found = await read(path, PUTS)
        assert found == {number: [anchor(number)] for number in found}
        # One more may have been written than was reported, and then the bound may have cost the one before.
        kept = [number for number in reported[-1:] if not dropped(number)]
        assert not kept or found.keys() & {kept[0], kept[0] + 1}


async def test_two_processes_on_one_file(path: Path) -> None:
    """Two bridges make and write one file at once; one is killed, the other does not notice, and no put is lost."""
    doomed, other = await asyncio.gather(started(path, 0, PUTS), started(path, PUTS, 2 * PUTS))
    some, every = await asyncio.gather(killed_after(doomed, 60, 0), finished(other))
    assert every == list(range(PUTS, 2 * PUTS))
    assert other.returncode == 0
    assert intact(path)
    found = await read(path, 2 * PUTS)
    assert found == {number: [anchor(number)] for number in found}
    kept = {number for number in some + every if not dropped(number)}
    assert len(some) >= 60
    assert kept <= found.keys() <= kept | {len(some)}  # one more may have been written than was reported


async def test_two_processes_make_one_file(path: Path) -> None:
    """Bridges that start at the same moment agree on who lays the file out."""
    both = await asyncio.gather(*(started(path, number, number + 1) for number in range(4)))
    await asyncio.gather(*(process.communicate() for process in both))
    assert [process.returncode for process in both] == [0] * 4
    assert sorted(await read(path, 4)) == [0, 1, 2, 3]
