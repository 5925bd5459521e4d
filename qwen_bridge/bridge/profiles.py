"""One Qwen session and what belongs to it: its model list, what it clears away. The part of `bridge` for accounts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from qwen_bridge.bridge.catalog import Catalog
from qwen_bridge.bridge.clients import sessions
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
    credentials: Credentials
    catalog: Catalog
    tidier: Tidier


def profiles(settings: Settings, client: QwenClient, clock: Clock, cooldown: CoolDown) -> Mapping[str, Profile]:
    """Name → profile, for every session of the settings."""
    return {
        name: Profile(
            name,
            credentials,
            Catalog(client, clock, settings.model_aliases, settings.model, cooldown),
            Tidier(client, credentials),
        )
        for name, credentials in sessions(settings).items()
    }


async def bury(among: Collection[Profile], chats: Sequence[ChatSummary]) -> None:
    """Delete forgotten chats at Qwen, each with the session that it belongs to."""
    for profile in among:
        await profile.tidier.bury(chats)
