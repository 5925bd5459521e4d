"""How accounts and store stand now: the part of `bridge` that can be asked without asking Qwen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from qwen_bridge.bridge.admission import Admission
from qwen_bridge.bridge.conversations import Conversations
from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.errors import CredentialError
from qwen_bridge.ports import AccountState, Clock, Counts
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.cooldown import CoolDown

STORE_WAIT = 2.0
"""Seconds after which a store that does not answer counts as down."""


class Overview:
    """`sessions` are the Qwen sessions in use."""

    def __init__(
        self,
        sessions: Sessions,
        admission: Admission,
        cooldown: CoolDown,
        conversations: Conversations,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._admission = admission
        self._cooldown = cooldown
        self._conversations = conversations
        self._clock = clock

    def accounts(self) -> Sequence[AccountState]:
        """Each session: whether a request would be let through to it, and how many are."""
        resting = self._cooldown.resting(self._clock.monotonic())
        sessions = self._sessions.all()
        given = {name: session for name, session in sessions.items() if session.session}
        # A name without any session is the settings' own where every client has a profile; alone it is what is missing.
        return [self._state(name, session, resting) for name, session in (given or sessions).items()]

    async def store(self) -> Counts | None:
        """How much the store holds; None when it does not answer."""
        try:
            async with asyncio.timeout(STORE_WAIT):
                return await self._conversations.counts()
        except TimeoutError:
            return None

    def _state(self, name: str, credentials: Credentials, resting: Mapping[str, tuple[str, float]]) -> AccountState:
        running, waiting = self._admission.load(credentials.account)
        problem, rests = resting.get(credentials.fingerprint, ("", 0.0))
        try:
            credentials.require(self._clock.now())
        except CredentialError as error:
            problem = error.code
        seen = found.seen if (found := self._sessions.learned(name)) and credentials.learned else None
        return AccountState(
            name or "default",
            credentials.account[:8],
            problem,
            rests,
            credentials.expires_at,
            running,
            waiting,
            credentials.learned,
            seen,
        )
