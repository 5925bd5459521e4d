"""The file: private, durable, in one order, and never taken from its owner."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from qwen_bridge.ports import Anchor, StoreUnavailable
from qwen_bridge.store import sqlite
from qwen_bridge.store.schema import MIGRATIONS
from qwen_bridge.store.sqlite import SQLiteStore
from tests.store.clock import SetClock

ANCHOR = Anchor("chat", "node", "qwen3-max", "account", "instructions", 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "anchors.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(folder: Path) -> set[int]:
    return {mode(file) for file in folder.iterdir()}


def loosen(path: Path) -> None:
    path.chmod(0o644)


async def test_anchors_outlive_the_store(path: Path) -> None:
    """What one store was told the next one knows, order and number included."""
    first = SQLiteStore(path, SetClock())
    for number in range(100):
        await first.put("k" if number < 3 else str(number), Anchor(str(number), "n", "m", "a", "i", 2))
    await first.close()
    second = SQLiteStore(path, SetClock(), max_anchors=40)
    assert [a.chat_id for a in (await second.find(["k"]))["k"]] == ["0", "1", "2"]
    await second.put("new", ANCHOR)
    assert len(await second.find(["k", "new", *map(str, range(100))])) <= 40
    await second.close()


async def test_file_and_folder_are_private(path: Path) -> None:
    """Only the owner may read the file, its journal and the folder made for it; loose rights are mended."""
    store = SQLiteStore(path, SetClock())
    await store.put("k", ANCHOR)
    assert mode(path.parent) == 0o700
    assert modes(path.parent) == {0o600}
    await store.close()
    loosen(path)
    await SQLiteStore(path, SetClock()).close()
    assert mode(path) == 0o600


async def test_file_is_in_wal_mode(path: Path) -> None:
    """Readers and the writer do not block one another, and a killed process leaves a whole file."""
    store = SQLiteStore(path, SetClock())
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    await store.close()


async def test_concurrent_calls_are_kept_apart(path: Path) -> None:
    """Many calls at once are done one after the other, none is lost."""
    store = SQLiteStore(path, SetClock())
    await asyncio.gather(*(store.put(str(n), Anchor(str(n), "n", "m", "a", "i", 2)) for n in range(200)))
    assert len(await store.find([str(n) for n in range(200)])) == 200
    await store.close()


async def test_a_cancelled_caller_does_not_unwrite(path: Path) -> None:
    """What was to be remembered is written even when the client has left meanwhile."""
    store = SQLiteStore(path, SetClock())
    waiting = [asyncio.create_task(store.put(str(n), ANCHOR)) for n in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert len(await store.find([str(n) for n in range(20)])) == 20
    await store.close()


@pytest.mark.parametrize(
    "content", [b"this is not a database, it is somebody's diary " * 100, b"SQLite format 3\0" * 99]
)
def test_unreadable_file_is_left_as_it_is(path: Path, content: bytes) -> None:
    """A file that is no database is named in the error, with what to do, and stays byte for byte."""
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o644)
    with pytest.raises(StoreUnavailable, match=r"anchors\.db cannot be used.*move the file away, or name another one"):
        SQLiteStore(path, SetClock())
    assert (path.read_bytes(), mode(path)) == (content, 0o644)


async def test_file_of_a_later_release_is_refused(path: Path) -> None:
    """A newer layout is not guessed at."""
    await SQLiteStore(path, SetClock()).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    other.close()
    with pytest.raises(StoreUnavailable, match="use the newer release"):
        SQLiteStore(path, SetClock())


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A folder that is a file, and a file that is a folder, give the same clear error."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "anchors.db", tmp_path):
        with pytest.raises(StoreUnavailable, match="name a file in a folder that this user may write to"):
            SQLiteStore(path, SetClock())


async def test_locked_file_is_unavailable_and_comes_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the file puts say so, reads go on, and afterwards all is well."""
    monkeypatch.setattr(sqlite, "LOCK_SECONDS", 0.05)
    store = SQLiteStore(path, SetClock())
    await store.put("k", ANCHOR)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await store.put("l", ANCHOR)
    assert list(await store.find(["k", "l"])) == ["k"]
    other.execute("ROLLBACK")
    other.close()
    await store.put("l", ANCHOR)
    assert list(await store.find(["k", "l"])) == ["k", "l"]
    await store.close()
