"""The layout of the SQLite file, its versions, and how an older file becomes a newer one.

`PRAGMA application_id` says that the file is ours, `PRAGMA user_version` which step of `MIGRATIONS` it has reached. A
step is one transaction, so a process killed in the middle leaves the file at the step before. A file of a later version
or of another program is refused and not touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from qwen_bridge.ports import StoreUnavailable

APPLICATION_ID: Final = 0x51425247
"""`QBRG`; what `file` and other programs can tell our database by."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # `used` is when one of the chat's anchors was last put or found, in seconds since 1970.
        "CREATE TABLE chats (id INTEGER PRIMARY KEY, chat_id TEXT NOT NULL UNIQUE, used REAL NOT NULL)",
        "CREATE INDEX chats_by_use ON chats (used)",
        # The row id is the age: kept when the same node is put again. AUTOINCREMENT, or a freed id would come back.
        "CREATE TABLE anchors ("
        " id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " key TEXT NOT NULL,"
        " chat INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,"
        " parent_id TEXT NOT NULL,"
        " model TEXT NOT NULL,"
        " account TEXT NOT NULL,"
        " instructions TEXT NOT NULL,"
        " depth INTEGER NOT NULL,"
        " UNIQUE (key, chat, parent_id))",
        "CREATE INDEX anchors_by_node ON anchors (chat, parent_id)",
    ),
    # Which node a turn was put to; empty in rows that an earlier release wrote.
    ("ALTER TABLE anchors ADD COLUMN previous TEXT NOT NULL DEFAULT ''",),
)
"""Step `n` makes version `n + 1` out of version `n`. Released steps are never edited; a change is a new step."""


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the database to the version of the last of `migrations`. `connection` must be in autocommit mode.

    Raises StoreUnavailable for a newer version or another program's file; sqlite3.Error for what SQLite refuses.
    """
    _claim(connection)
    version = _version(connection)
    if version > len(migrations):
        raise StoreUnavailable(
            f"its version is {version}, and this release knows {len(migrations)} at most:"
            " use the newer release, or name another file"
        )
    while version < len(migrations):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection)  # another process may have been faster
            if version < len(migrations):
                for statement in migrations[version]:
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _claim(connection: sqlite3.Connection) -> None:
    """Mark an empty file as ours; refuse one with somebody else's mark or tables."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    if owner == APPLICATION_ID:
        return
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner != 0 or tables:
        raise StoreUnavailable("it is the database of another program: name another file")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
