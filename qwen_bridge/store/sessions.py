"""The file of learned Qwen sessions: written by whoever sees the browser's traffic, read by every bridge on it.

Whoever can read it can use the account, so it is for its owner alone from the moment it is made; it is replaced whole,
so that a reader never sees half of it; and writers take turns. It holds sessions by Qwen's address: what was learned of
one site is never read for another. `chosen` is the account that was learned first, and stays so until its owner says
otherwise: which account a web page signs the browser in to is no reason to send it the user's words.

A file that is not ours, or not what was written here, counts as empty.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from qwen_bridge.ports import StoreUnavailable
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import EXTRA, LINE_LIMIT, LearnedSession

try:
    import fcntl
except ImportError:  # Windows: two programs that learn in the same moment may lose one of two lessons
    fcntl = None  # type: ignore[assignment]

NAME = "sessions.json"
VERSION = 1

MOST_ACCOUNTS = 16
"""Accounts that are kept; the one not seen for longest goes first."""

_FILE_LIMIT = 16 * 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one site. `chosen` is an account's digest, empty as long as none was learned."""

    chosen: str = ""
    sessions: Mapping[str, LearnedSession] = field(default_factory=dict)

    def with_session(self, session: LearnedSession) -> Known:
        """With a session learned, or learned anew."""
        account = session.credentials.account
        sessions = {**self.sessions, account: session}
        chosen = self.chosen or account
        while len(sessions) > MOST_ACCOUNTS:
            del sessions[min(sessions.keys() - {chosen, account}, key=lambda name: sessions[name].seen)]
        return Known(chosen, sessions)

    def without(self, account: str) -> Known:
        """Without an account's session. It stays the chosen one: signing out and in again names no other."""
        return replace(self, sessions={name: one for name, one in self.sessions.items() if name != account})

    def find(self, prefix: str) -> str:
        """The one account whose digest begins so, `""` when there is none, or more than one."""
        found = [account for account in {*self.sessions, self.chosen} if prefix and account.startswith(prefix)]
        return found[0] if len(found) == 1 else ""


class SessionFile:
    """The sessions of the site at `origin` (`https://chat.qwen.ai`), in a folder. Blocks for as long as a disk does."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.path = folder / NAME
        self._origin = origin
        self._mark: tuple[int, int, int] | None = None
        self._known = Known()

    def known(self) -> Known:
        """What the file holds now. Costs one look at its date while nobody has written to it."""
        mark = self._look()
        if mark != self._mark:
            self._known = _known_in(self._sites().get(self._origin))
            self._mark = mark
        return self._known

    def change(self, change: Callable[[Known], Known]) -> Known:
        """Replace what is known of this site by what `change` makes of it.

        Raises `StoreUnavailable` with a sentence when the file cannot be written.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                sites = self._sites()
                known = change(_known_in(sites.get(self._origin)))
                self._replace({**sites, self._origin: _json_of(known)})
        except OSError as error:
            raise StoreUnavailable(f"the learned session cannot be kept in {self.path}: {error.strerror}") from error
        self._known, self._mark = known, self._look()
        return known

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _sites(self) -> dict[str, Any]:
        """The file's content; nothing where there is none that is ours."""
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
                found = os.fstat(file.fileno())
                if not _is_ours(found):
                    return {}
                if stat.S_IMODE(found.st_mode) & 0o077:
                    os.fchmod(file.fileno(), 0o600)
                whole = orjson.loads(file.read(_FILE_LIMIT))
        except (OSError, orjson.JSONDecodeError):
            return {}
        sites = whole.get("sites") if isinstance(whole, dict) and whole.get("version") == VERSION else None
        return sites if isinstance(sites, dict) else {}

    def _replace(self, sites: Mapping[str, Any]) -> None:
        beside = self.path.with_name(f"{NAME}.{os.getpid()}.new")
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(orjson.dumps({"version": VERSION, "sites": sites}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other program changes the file meanwhile."""
        with os.fdopen(os.open(self.path.with_name(f"{NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600), "rb") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())


def _json_of(known: Known) -> dict[str, Any]:
    return {
        "chosen": known.chosen,
        "sessions": {
            account: {
                "cookies": session.credentials.cookies,
                "bx_umidtoken": session.credentials.bx_umidtoken,
                "user_agent": session.credentials.user_agent,
                "headers": dict(session.credentials.extra),
                "learned": session.learned,
                "seen": session.seen,
                "answered": session.answered,
            }
            for account, session in known.sessions.items()
        },
    }


def _known_in(site: object) -> Known:
    """What a site's part of the file says, without whatever in it is no session."""
    if not isinstance(site, dict):
        return Known()
    chosen, sessions = site.get("chosen"), site.get("sessions")
    read = [_session_in(one) for one in sessions.values()] if isinstance(sessions, dict) else []
    found = {one.credentials.account: one for one in read if one is not None}
    return Known(chosen if isinstance(chosen, str) else "", found)


def _session_in(one: object) -> LearnedSession | None:
    match one:
        case {
            "cookies": str(cookies),
            "bx_umidtoken": str(umid),
            "user_agent": str(agent),
            "headers": dict(headers),
            "learned": int() | float() as learned,
            "seen": int() | float() as seen,
            "answered": int() | float() as answered,
        } if all(map(_is_line, (cookies, umid, agent, *headers.values()))):
            extra = tuple((name, headers[name]) for name in EXTRA if name in headers)
            credentials = Credentials("", cookies, umid, agent, extra, learned=True)
            return LearnedSession(credentials, learned, seen, answered) if credentials.session else None
    return None


def _is_line(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LINE_LIMIT and not _CONTROL.search(value)
