"""A learned session kept fresh by the bridge's own calls: the part of `bridge` that does with `Set-Cookie` what a
browser does.

Qwen's firewall renews its cookies with its answers (`acw_tc` lives for half an hour; protocol notes, sections 1.3 and
6), and punishes a jar that is stale. As long as the browser is open its requests renew the session; afterwards only the
bridge hears of it. What is in the settings is its owner's and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from qwen_bridge.bridge.sessions import Known, session_file
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.observe.redaction import learn_current
from qwen_bridge.ports import Clock, StoreUnavailable
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.faults import is_event_stream
from qwen_bridge.qwen.learning import LINE_LIMIT, renewed
from qwen_bridge.settings.settings import Settings

log = structlog.get_logger("qwen_bridge")

WRITE_EVERY = 10.0
"""Seconds between two changes of the file: it is written to the disk, and an answer waits."""

MOST_LINES = 64
"""`Set-Cookie` lines of one answer that are looked at, and that may wait to be written."""


class Renewals:
    """What Qwen sets on answers to the bridge, for one configuration."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._file = session_file(settings) if settings.learns else None
        self._host = settings.upstream_host
        self._clock = clock
        self._waiting: dict[str, list[str]] = {}  # account → lines that are not in the file yet
        self._written: dict[str, float] = {}

    def began(self, credentials: Credentials, status: int, headers: Headers) -> None:
        """As `heard`, for an answer of which only the head is there (names in lower case)."""
        fields = dict(headers)
        if status == 200 and "set-cookie" in fields and is_event_stream(fields.get("content-type", "")):
            self.heard(credentials, [value for name, value in headers if name == "set-cookie"])

    def heard(self, credentials: Credentials, set_cookies: Sequence[str]) -> None:
        """A good answer of Qwen's own host to a request with these credentials had these `Set-Cookie` lines."""
        if self._file is None or not set_cookies or not credentials.learned:
            return
        account, now = credentials.account, self._clock.monotonic()
        lines = self._waiting.setdefault(account, [])
        lines.extend(line for line in set_cookies[:MOST_LINES] if line not in lines)
        del lines[:-MOST_LINES]
        if now - self._written.get(account, float("-inf")) < WRITE_EVERY:
            return
        del self._waiting[account]
        learned = self._file.known().sessions.get(account)
        if learned is None or self._renewed(learned.credentials, lines) == learned.credentials:
            return
        self._written[account] = now
        try:
            self._file.change(lambda known: self._change(known, account, lines))
        except StoreUnavailable as error:
            log.warning(str(error))

    def _change(self, known: Known, account: str, lines: Sequence[str]) -> Known:
        learned = known.sessions.get(account)
        if learned is None:  # signed out meanwhile
            return known
        session = self._renewed(learned.credentials, lines)
        learn_current(account, session.secrets())
        return known.with_session(replace(learned, credentials=session))

    def _renewed(self, old: Credentials, lines: Sequence[str]) -> Credentials:
        """The session with these cookies; as it was where it would be another's, none any more, or too large."""
        session = renewed(old, lines, self._clock.now(), self._host)
        same = session.session and session.account == old.account
        return session if same and len(session.cookies) <= LINE_LIMIT else old
