"""One Qwen session and what belongs to it: its model list, what it clears away. The part of `bridge` for accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from qwen_bridge.bridge.catalog import Catalog
from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.bridge.tidying import Tidier
from qwen_bridge.ports import ChatSummary, Clock
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.settings.settings import Settings
from qwen_bridge.upstream.client import QwenClient


@dataclass(frozen=True, slots=True)
class Profile:
    """A session with a name; the settings' own has none."""

    name: str
    sessions: Sessions
    catalog: Catalog
    tidier: Tidier

    @property
    def credentials(self) -> Credentials:
        """The session as it is now: one that is learned from the browser changes."""
        return self.sessions.of(self.name)


def profiles(
    settings: Settings, sessions: Sessions, client: QwenClient, clock: Clock, cooldown: CoolDown
) -> Mapping[str, Profile]:
    """Name → profile, for every session of the settings."""
    return {
        name: Profile(
            name,
            sessions,
            Catalog(client, clock, settings.model_aliases, settings.model, cooldown),
            Tidier(client, partial(sessions.of, name)),
        )
        for name in sessions.all()
    }


async def bury(among: Collection[Profile], chats: Sequence[ChatSummary]) -> None:
    """Delete forgotten chats at Qwen, each with the session that it belongs to."""
    for profile in among:
        await profile.tidier.bury(chats)
