"""The file of learned sessions: for its owner alone, whole or not there, and never another site's."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from qwen_bridge.ports import StoreUnavailable
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LearnedSession
from qwen_bridge.store.sessions import MOST_ACCOUNTS, Known, SessionFile
from tests.qwen.test_credentials import jwt

SITE = "https://chat.qwen.ai"


def session(user: str = "u1", seen: float = 1.0) -> LearnedSession:
    cookies = f"cna=a; token={jwt(id=user)}"
    extra = (("bx-ua", "231!x"), ("version", "0.3"))
    return LearnedSession(Credentials("", cookies, "T2gA", "Mozilla/5.0", extra, learned=True), 1.0, seen, 0.5)


def kept(folder: Path, *sessions: LearnedSession) -> SessionFile:
    file = SessionFile(folder, SITE)
    for one in sessions:
        file.change(lambda known, one=one: known.with_session(one))  # type: ignore[misc]
    return file


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    """Every value, and which account was first."""
    kept(tmp_path / "new", session("u1"), session("u2"))
    known = SessionFile(tmp_path / "new", SITE).known()
    one, two = session("u1"), session("u2")
    assert known == Known(one.credentials.account, {one.credentials.account: one, two.credentials.account: two})


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Folder and file are for the owner alone, whatever the umask; a file that was opened up is closed again."""
    before = os.umask(0)
    try:
        file = kept(tmp_path / "new", session())
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.path.parent, file.path)] == [0o700, 0o600]
    file.path.chmod(0o644)
    SessionFile(file.path.parent, SITE).known()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_another_site_gets_nothing_of_it(tmp_path: Path) -> None:
    """What was learned of one address is not read for another, and stays when that one learns."""
    kept(tmp_path, session())
    other = SessionFile(tmp_path, "https://mirror.example")
    assert other.known() == Known()
    other.change(lambda known: known.with_session(session("u9")))
    assert list(SessionFile(tmp_path, SITE).known().sessions) == [session().credentials.account]


def test_a_reader_sees_what_another_program_wrote(tmp_path: Path) -> None:
    """At its next look."""
    reader = SessionFile(tmp_path, SITE)
    assert reader.known() == Known()
    writer = kept(tmp_path, session())
    assert reader.known() == writer.known() != Known()
    writer.change(lambda known: known.without(session().credentials.account))
    assert reader.known().sessions == {}


def test_writers_take_turns(tmp_path: Path) -> None:
    """Many at once lose nothing of each other's."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: kept(tmp_path, session(f"u{number}")), range(MOST_ACCOUNTS)))
    assert len(SessionFile(tmp_path, SITE).known().sessions) == MOST_ACCOUNTS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"version":2,"sites":{}}',
        b'{"version":1,"sites":[]}',
        b'{"version":1,"sites":{"https://chat.qwen.ai":[]}}',
        b'{"version":1,"sites":{"https://chat.qwen.ai":{"chosen":1,"sessions":{"a":{},"b":1}}}}',
    ],
)
def test_what_is_no_such_file_counts_as_empty(content: bytes, tmp_path: Path) -> None:
    """And the next lesson is kept all the same."""
    (tmp_path / "sessions.json").write_bytes(content)
    assert SessionFile(tmp_path, SITE).known() == Known()
    assert kept(tmp_path, session()).known().sessions


@pytest.mark.parametrize("value", ["a\r\nhost: evil", "a\x00", 5, None, "x" * 40_000])
@pytest.mark.parametrize("name", ["cookies", "bx_umidtoken", "user_agent", "headers"])
def test_a_value_that_no_header_can_hold_is_not_taken(name: str, value: object, tmp_path: Path) -> None:
    """The file may have been changed; what is in it goes into requests."""
    file = kept(tmp_path, session())
    whole = orjson.loads(file.path.read_bytes())
    (one,) = whole["sites"][SITE]["sessions"].values()
    one[name] = {"bx-ua": value} if name == "headers" else value
    file.path.write_bytes(orjson.dumps(whole))
    assert SessionFile(tmp_path, SITE).known().sessions == {}


def test_only_known_headers_come_back(tmp_path: Path) -> None:
    """A header that is none of the browser's is left out."""
    file = kept(tmp_path, session())
    whole = orjson.loads(file.path.read_bytes())
    (one,) = whole["sites"][SITE]["sessions"].values()
    one["headers"]["x-forwarded-for"] = "1.2.3.4"
    file.path.write_bytes(orjson.dumps(whole))
    (found,) = SessionFile(tmp_path, SITE).known().sessions.values()
    assert dict(found.credentials.extra) == {"bx-ua": "231!x", "version": "0.3"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Whatever it points to."""
    file = kept(tmp_path / "real", session())
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "sessions.json").symlink_to(file.path)
    assert SessionFile(tmp_path / "link", SITE).known() == Known()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With its name and the reason, in a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be kept in"):
        kept(tmp_path / "file", session())


def test_the_first_account_stays_the_chosen_one() -> None:
    """Whoever signs in later, and also when the first signs out."""
    known = Known().with_session(session("u1")).with_session(session("u2"))
    first = session("u1").credentials.account
    assert known.chosen == first
    assert known.without(first).with_session(session("u3")).chosen == first


def test_the_accounts_are_bounded() -> None:
    """The one not seen for longest goes, never the chosen one."""
    known = Known()
    for number in range(MOST_ACCOUNTS + 5):
        known = known.with_session(session(f"u{number}", seen=float(number)))
    assert len(known.sessions) == MOST_ACCOUNTS
    assert known.chosen == session("u0").credentials.account in known.sessions
    assert session("u1").credentials.account not in known.sessions


def test_an_account_is_found_by_the_beginning_of_its_digest() -> None:
    """One that could be two is none."""
    account = session().credentials.account
    known = Known().with_session(session())
    assert [known.find(prefix) for prefix in (account, account[:8], "", "0" * 17)] == [account, account, "", ""]
    twin = replace(known, sessions={f"{account[:8]}00000000": session()})
    assert twin.find(account[:8]) == ""
