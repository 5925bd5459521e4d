"""How the file gets its layout, step by step and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_bridge.ports import StoreUnavailable
from qwen_bridge.store.schema import APPLICATION_ID, MIGRATIONS, migrate

LATER = (*MIGRATIONS, ("ALTER TABLE chats ADD COLUMN title TEXT NOT NULL DEFAULT 'untitled'",))
BROKEN = (*MIGRATIONS, ("ALTER TABLE chats ADD COLUMN title TEXT", "ALTER TABLE nothing ADD COLUMN x"))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(tmp_path / "anchors.db", isolation_level=None)
    yield opened
    opened.close()


def version(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def test_empty_file_gets_the_present_layout(connection: sqlite3.Connection) -> None:
    """A new file is marked as ours and brought to the last version; a second time changes nothing."""
    migrate(connection)
    layout = connection.execute("SELECT sql FROM sqlite_master").fetchall()
    migrate(connection)
    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == layout
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert version(connection) == len(MIGRATIONS)


def test_older_file_is_brought_on_with_what_is_in_it(connection: sqlite3.Connection) -> None:
    """A file of an earlier release takes the missing steps and keeps its rows."""
    migrate(connection)
    connection.execute("INSERT INTO chats (chat_id, used) VALUES ('a', 1.0)")
    migrate(connection, LATER)
    assert connection.execute("SELECT chat_id, title FROM chats").fetchall() == [("a", "untitled")]
    assert version(connection) == len(LATER)


def test_file_of_the_first_release_is_brought_on(connection: sqlite3.Connection) -> None:
    """Anchors of version 1 stay; which node they hang on is not known."""
    migrate(connection, MIGRATIONS[:1])
    connection.execute("INSERT INTO chats (chat_id, used) VALUES ('a', 1.0)")
    fields = "key, chat, parent_id, model, account, instructions, depth"
    connection.execute(f"INSERT INTO anchors ({fields}) VALUES ('k', 1, 'n', 'm', 'a', 'i', 2)")
    migrate(connection)
    assert connection.execute("SELECT parent_id, depth, previous FROM anchors").fetchall() == [("n", 2, "")]


def test_newer_file_is_refused_and_left_alone(connection: sqlite3.Connection) -> None:
    """A file of a later release is not touched, and the error says what to do."""
    migrate(connection, LATER)
    with pytest.raises(StoreUnavailable, match=r"version is 3, and this release knows 2 .*newer release"):
        migrate(connection)
    assert version(connection) == len(LATER)


def test_step_that_fails_leaves_the_version_before(connection: sqlite3.Connection) -> None:
    """A step is whole or not at all."""
    migrate(connection)
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, BROKEN)
    assert version(connection) == len(MIGRATIONS)
    migrate(connection, LATER)
    assert version(connection) == len(LATER)


@pytest.mark.parametrize("mark", ["CREATE TABLE bookmarks (url TEXT)", "PRAGMA application_id = 42"])
def test_database_of_another_program_is_refused(connection: sqlite3.Connection, mark: str) -> None:
    """A file that somebody else's tables or mark are in is not taken over."""
    connection.execute(mark)
    with pytest.raises(StoreUnavailable, match="another program"):
        migrate(connection)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'anchors'").fetchone() == (0,)
