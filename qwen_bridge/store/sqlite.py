"""Anchors in one SQLite file: they outlive the process, and a `kill -9` at any moment.

WAL with `synchronous=NORMAL`: what was written survives the death of the process; a power cut may take the last
moments, which costs a new chat and nothing else. One thread owns the connection, and everything goes through it in
order; the event loop only waits.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Final

from qwen_bridge.ports import Anchor, ChatSummary, Clock, Counts, StoreUnavailable
from qwen_bridge.store.limits import MAX_ANCHORS, PER_KEY, TOUCH_SECONDS, checked, slack
from qwen_bridge.store.schema import migrate

LOCK_SECONDS: Final = 2.0
"""How long another process may hold the file before this one goes on without it."""

_FIND = """
SELECT key, chat_id, parent_id, model, account, instructions, depth, previous, chats.id, chats.used
FROM anchors JOIN chats ON chats.id = anchors.chat
WHERE key IN (SELECT value FROM json_each(?)) ORDER BY anchors.id
"""
_TOUCH = "UPDATE chats SET used = max(used, ?) WHERE id IN (SELECT value FROM json_each(?))"
_USE_CHAT = """
INSERT INTO chats (chat_id, used) VALUES (?, ?)
ON CONFLICT (chat_id) DO UPDATE SET used = max(used, excluded.used) RETURNING id
"""
_PUT = """
INSERT INTO anchors (key, chat, parent_id, model, account, instructions, depth, previous)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key, chat, parent_id) DO UPDATE SET
    model = excluded.model, account = excluded.account, instructions = excluded.instructions, depth = excluded.depth,
    previous = excluded.previous
RETURNING id
"""
_TRIM_KEY = """
DELETE FROM anchors WHERE key = ? AND id <= (SELECT id FROM anchors WHERE key = ? ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
_EVICT = """
DELETE FROM anchors WHERE id IN (
    SELECT anchors.id FROM chats JOIN anchors ON anchors.chat = chats.id WHERE anchors.id <> ?
    ORDER BY chats.used, chats.id, anchors.depth DESC LIMIT ?)
"""
_DROP_CHAT = "DELETE FROM anchors WHERE chat = (SELECT id FROM chats WHERE chat_id = ?)"
_DROP_NODE = _DROP_CHAT + " AND parent_id = ?"
_DROP_IDLE = "DELETE FROM anchors WHERE chat IN (SELECT id FROM chats WHERE used < ?)"
_DROP_EMPTY_CHATS = "DELETE FROM chats WHERE NOT EXISTS (SELECT 1 FROM anchors WHERE anchors.chat = chats.id)"
_COUNT = """
SELECT (SELECT count(*) FROM anchors), count(*), min(used) FROM chats
WHERE EXISTS (SELECT 1 FROM anchors WHERE anchors.chat = chats.id)
"""
# Where max() picks a row, SQLite takes the other columns from that row.
_CHATS = """
SELECT chat_id, model, account, max(depth), count(*), used FROM chats JOIN anchors ON anchors.chat = chats.id
GROUP BY chats.id ORDER BY used DESC, chats.id DESC LIMIT ?
"""
_ANCHORS_OF = """
SELECT chat_id, parent_id, model, account, instructions, depth, previous
FROM anchors JOIN chats ON chats.id = anchors.chat WHERE chat_id = ? ORDER BY depth, anchors.id
"""


class SQLiteStore:
    """`ports.ConversationStore` in a file.

    The constructor opens the file, makes it (0600, its folder 0700 when that has to be made too) and brings it to the
    present layout. It raises StoreUnavailable, saying what to do, when the file cannot be used; the file is then left
    as it is, and the bridge can run on a `MemoryStore`. It blocks for a moment: call it at start-up. `max_anchors`
    bounds the file; see `limits` for what is forgotten.
    """

    __slots__ = ("_clock", "_closed", "_connection", "_max", "_path", "_puts", "_writer")

    def __init__(self, path: Path, clock: Clock, *, max_anchors: int = MAX_ANCHORS) -> None:
        self._path = path
        self._clock = clock
        self._max = checked(max_anchors)
        self._puts = slack(self._max)  # nobody knows yet how full the file is: the first put counts
        self._closed = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="qwen-bridge-store")
        try:
            self._connection = self._writer.submit(_open, path).result()
        except BaseException:
            self._writer.shutdown(wait=False)
            raise

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        """As the port says, in one query; marks the chats it found as used."""
        return await self._run(lambda: self._find(list(keys)))

    async def put(self, key: str, anchor: Anchor) -> None:
        """As the port says; returns when it is written. Forgets others when there are too many."""
        await self._run(lambda: self._put(key, anchor))

    async def drop_chat(self, chat_id: str) -> int:
        return await self._run(lambda: self._connection.execute(_DROP_CHAT, (chat_id,)).rowcount)

    async def drop(self, chat_id: str, parent_id: str) -> int:
        return await self._run(lambda: self._connection.execute(_DROP_NODE, (chat_id, parent_id)).rowcount)

    async def lease(self, chat_id: str, holder: str, seconds: float) -> bool:
        """Always. What finds a lease in a file is the same bridge, started again: it would wait for itself."""
        return True

    async def give_back(self, chat_id: str, holder: str) -> None:
        pass

    async def purge(self, older_than: float) -> int:
        oldest = self._clock.now() - older_than
        return await self._run(lambda: self._clear(_DROP_IDLE, oldest))

    async def counts(self) -> Counts:
        return Counts(*await self._run(lambda: self._connection.execute(_COUNT).fetchone()))

    async def chats(self, limit: int) -> list[ChatSummary]:
        rows = await self._run(lambda: self._connection.execute(_CHATS, (max(0, limit),)).fetchall())
        return [ChatSummary(*row) for row in rows]

    async def anchors_of(self, chat_id: str) -> list[Anchor]:
        rows = await self._run(lambda: self._connection.execute(_ANCHORS_OF, (chat_id,)).fetchall())
        return [Anchor(*row) for row in rows]

    async def close(self) -> None:
        """Let what is under way finish and close the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.wrap_future(self._writer.submit(self._connection.close))
        self._writer.shutdown(wait=False)

    async def _run[T](self, work: Callable[[], T]) -> T:
        """Do `work` on the thread that owns the connection."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            # Shielded: the client's leaving cancels whoever waits here, and must not unwrite what was answered.
            return await asyncio.shield(asyncio.wrap_future(self._writer.submit(work)))
        except (sqlite3.Error, OSError, UnicodeError) as exc:  # UnicodeError: an id with half a character in it
            raise StoreUnavailable(f"the conversation store {self._path} failed: {exc}") from exc

    def _find(self, keys: list[str]) -> dict[str, list[Anchor]]:
        found: dict[str, list[Anchor]] = {}
        now, stale = self._clock.now(), set[int]()
        for key, *fields, chat, used in self._connection.execute(_FIND, (json.dumps(keys),)):
            found.setdefault(key, []).append(Anchor(*fields))
            if now - used > TOUCH_SECONDS:
                stale.add(chat)
        if stale:
            # Only a hint for forgetting: a file that cannot be written just now can still be read.
            with suppress(sqlite3.OperationalError):
                self._connection.execute(_TOUCH, (now, json.dumps(sorted(stale))))
        return found

    def _put(self, key: str, anchor: Anchor) -> None:
        with _Transaction(self._connection):
            (chat,) = self._connection.execute(_USE_CHAT, (anchor.chat_id, self._clock.now())).fetchone()
            values = astuple(anchor)[1:]
            (row,) = self._connection.execute(_PUT, (key, chat, *values)).fetchone()
            self._connection.execute(_TRIM_KEY, (key, key, PER_KEY))
        self._puts += 1
        if self._puts >= slack(self._max):
            self._evict(row)

    def _evict(self, spared: int) -> None:
        """Make room for the puts until the next call: counting at each put would cost more than the put."""
        self._puts = 0
        (count,) = self._connection.execute("SELECT count(*) FROM anchors").fetchone()
        self._clear(_EVICT, spared, max(0, count - (self._max - slack(self._max) + 1)))

    def _clear(self, statement: str, *values: float) -> int:
        """Delete anchors, and the chats that have none left; return how many anchors went."""
        with _Transaction(self._connection):
            count = self._connection.execute(statement, values).rowcount
            self._connection.execute(_DROP_EMPTY_CHATS)
        return count


class _Transaction:
    """`BEGIN IMMEDIATE` … `COMMIT`, or `ROLLBACK` when the block fails."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._connection.execute("COMMIT")
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _open(path: Path) -> sqlite3.Connection:
    """Open or make the file; StoreUnavailable, with what to do, when that cannot be."""
    connection: sqlite3.Connection | None = None
    try:
        _make(path)
        connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        migrate(connection)
        path.chmod(0o600)  # now that it is known to be ours; the journal beside it inherits the mode
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except StoreUnavailable as exc:
        _shut(connection)
        raise StoreUnavailable(f"the conversation store {path} cannot be used: {exc}") from exc
    except sqlite3.DatabaseError as exc:
        _shut(connection)
        damaged = getattr(exc, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
        advice = "move the file away, or name another one" if damaged else "free the file, or name another one"
        raise StoreUnavailable(f"the conversation store {path} cannot be used: {exc}; {advice}") from exc
    except OSError as exc:
        raise StoreUnavailable(
            f"the conversation store {path} cannot be made or opened: {exc.strerror or exc};"
            " name a file in a folder that this user may write to"
        ) from exc
    return connection


def _make(path: Path) -> None:
    """Make what is missing of folder and file, for the owner alone; SQLite itself would make the file for everybody."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _shut(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()
