"""As whom the bridge speaks to Qwen, now: for each profile the session of the settings, or one that was learned.

Whose session it is, a person says: by the setting `account`, by the token in the settings, or by having been signed in
when the first session was learned. A browser that is signed in as somebody else later changes nothing: a web page can
sign a browser in (login CSRF), and the user's words would then go to a stranger's account. How that account's session
looks at the moment, the browser says: it may be newer than what was copied into the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qwen_bridge.bridge.clients import DEFAULT, sessions
from qwen_bridge.observe.redaction import learn_current
from qwen_bridge.ports import SessionState
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LearnedSession
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.sessions import Known as Known  # for who changes the file by a person's command
from qwen_bridge.store.sessions import SessionFile


def session_file(settings: Settings) -> SessionFile:
    """The file of what is learned about the site of these settings."""
    return SessionFile(settings.state, settings.upstream)


class Sessions:
    """The sessions of one configuration, by the names of their profiles."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own = sessions(settings)
        self._named = {name: profile.account or "" for name, profile in (settings.profiles or {}).items()}
        self._named[DEFAULT] = settings.account or ""
        self._file = session_file(settings) if settings.learns else None
        if self._file is not None:
            self._own = {name: self._waiting(name, one) for name, one in self._own.items()}

    def of(self, profile: str) -> Credentials:
        """The session to speak with now, complete or not."""
        own = self._own[profile]
        if self._file is None:
            return own
        known = self._file.known()
        learned = known.sessions.get(self._account(profile, known))
        if learned is None or _is_newer(own, learned.credentials):
            return own
        learn_current(learned.credentials.account, learned.credentials.secrets())
        return learned.spoken

    def all(self) -> Mapping[str, Credentials]:
        """Every profile's session."""
        return {name: self.of(name) for name in self._own}

    def learned(self, profile: str) -> LearnedSession | None:
        """What was learned of the account that the profile speaks for; None when nothing was."""
        if self._file is None:
            return None
        known = self._file.known()
        return known.sessions.get(self._account(profile, known))

    def states(self) -> Sequence[SessionState]:
        """Every session in the file, the one seen last first; none of them is used where nothing is learned."""
        known = session_file(self._settings).known()
        used = {} if self._file is None else {name: self._account(name, known) for name in self._own}
        states = [
            SessionState(
                digest=account[:8],
                used=[name or "default" for name, one in used.items() if one == account],
                learned=session.learned,
                seen=session.seen,
                expires_at=session.credentials.expires_at,
                incomplete=bool(session.credentials.missing()),
            )
            for account, session in known.sessions.items()
        ]
        return sorted(states, key=lambda state: -state.seen)

    def _account(self, profile: str, known: Known) -> str:
        if named := self._named[profile]:
            return known.find(named)
        return self._own[profile].account or (known.chosen if profile == DEFAULT else "")

    def _waiting(self, profile: str, own: Credentials) -> Credentials:
        """A profile without a session of its own waits for one from the browser, and its errors say so."""
        return own if own.session or not (profile == DEFAULT or self._named[profile]) else replace(own, learned=True)


def _is_newer(own: Credentials, learned: Credentials) -> bool:
    """Whether what a person gave is to be preferred: a token that was issued later than the browser's."""
    if not own.session or own.missing():
        return False
    return learned.missing() != [] or (own.expires_at or 0.0) > (learned.expires_at or 0.0)
