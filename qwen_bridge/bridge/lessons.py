"""Learns from the browser's traffic with Qwen's site, as `qwen.learning` says, and keeps it: the part of `bridge` that
writes the file of sessions. It sees what passes, changes nothing of it, and asks nobody anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from qwen_bridge.bridge.sessions import session_file
from qwen_bridge.errors import AnswerUnreadable
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.exchange.inflate import ContentDecoder
from qwen_bridge.observe.redaction import learn_current
from qwen_bridge.ports import Clock, StoreUnavailable
from qwen_bridge.qwen.learning import LearnedSession, Lesson, Proof, lesson_of, renewed, signs_out, taught
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.sessions import Known

log = structlog.get_logger("qwen_bridge")

type Change = Callable[[Known], Known]

SEEN_EVERY = 60.0
"""Seconds after which a session that stays the same is noted as seen again."""


class Lessons:
    """What is learned for one configuration."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._origin, self._host = settings.upstream, settings.upstream_host
        self._file = session_file(settings)
        self._clock = clock
        self._told: set[str] = set()
        self._failing = False

    def begin(self, method: str, path: str, headers: Headers) -> Watch | None:
        """A request on its way to Qwen's site (names in lower case); None when its answer need not be looked at."""
        lesson = lesson_of(method, path, headers, self._origin)
        if lesson is None:
            return None
        learn_current("browser", lesson.credentials.secrets())  # before anything can be logged about it
        return Watch(self, lesson, signing_out=signs_out(path))

    def proven(self, lesson: Lesson, set_cookies: Sequence[str]) -> None:
        """Qwen has shown that a request was an account's. Its answer may set cookies anew."""
        now = self._clock.now()
        session = renewed(lesson.credentials, set_cookies, now, self._host)
        account = lesson.credentials.account
        if not session.session:
            self.signed_out(lesson)
            return
        lesson = replace(lesson, credentials=session)
        known = self._file.known()
        old = known.sessions.get(account)
        new = taught(old, lesson, now)
        if new is None:
            return
        same = old is not None and old.credentials == new.credentials and not lesson.asked
        if old is not None and same and now - old.seen < SEEN_EVERY:
            return
        if self._change(lambda found: found.with_session(new)):
            learn_current(account, session.secrets())
            self._tell(account, old, new)

    def signed_out(self, lesson: Lesson) -> None:
        """The browser has given up its session: nobody wants it used any more."""
        account = lesson.credentials.account
        if account in self._file.known().sessions and self._change(lambda found: found.without(account)):
            log.warning("signed out of Qwen in the browser: the learned session is forgotten", account=account[:8])

    def _change(self, change: Change) -> bool:
        try:
            self._file.change(change)
        except StoreUnavailable as error:
            if not self._failing:
                log.warning(str(error))
            self._failing = True
            return False
        self._failing = False
        return True

    def _tell(self, account: str, old: LearnedSession | None, new: LearnedSession) -> None:
        chosen = self._file.known().chosen
        complete = not new.credentials.missing()
        if complete and (old is None or old.credentials.missing()):
            log.info("a Qwen session was learned from the browser", account=account[:8])
        elif old is None:
            log.info("signed in at Qwen: send a message there, which carries the rest", account=account[:8])
        if account != chosen and account not in self._told:
            self._told.add(account)
            log.warning(
                "the browser is signed in at Qwen with another account than the bridge uses, and that stays so",
                browser=account[:8],
                used=chosen[:8],
                to_change=f"qwen-bridge sessions use {account[:8]}",
            )


class Watch:
    """The answer to one request that may teach, as it passes."""

    def __init__(self, lessons: Lessons, lesson: Lesson, *, signing_out: bool) -> None:
        self._lessons = lessons
        self._lesson = lesson
        self._signing_out = signing_out
        self._proof: Proof | None = None
        self._decoder: ContentDecoder | None = None
        self._set_cookies: Sequence[str] = ()

    def responded(self, status: int, headers: Headers) -> None:
        """Status and headers of the answer; names in lower case."""
        self._set_cookies = [value for name, value in headers if name == "set-cookie"]
        if self._signing_out:
            if 200 <= status < 300:
                self._lessons.signed_out(self._lesson)
            return
        self._proof = Proof(status, headers)
        try:
            self._decoder = ContentDecoder(dict(headers).get("content-encoding", ""))
        except AnswerUnreadable:
            self._proof = None

    def feed(self, data: bytes) -> None:
        """A piece of its body, as it came."""
        if self._proof is None or self._decoder is None:
            return
        try:
            for piece in self._decoder.feed(data):
                self._proof.feed(piece)
        except AnswerUnreadable:
            self._proof = None
        self._judge()

    def close(self) -> None:
        """It is complete."""
        if self._proof is not None:
            self._proof.close()
        self._judge()

    def _judge(self) -> None:
        """Learn as soon as it is proven: an answer may take minutes, and somebody may wait for it."""
        if self._proof is not None and self._proof.proven is not None:
            proven, self._proof = self._proof.proven, None
            if proven:
                self._lessons.proven(self._lesson, self._set_cookies)
