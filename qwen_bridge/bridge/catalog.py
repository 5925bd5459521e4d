"""Qwen's model list, kept for a while: what `/v1/models` shows, and what a client's word for a model means."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from qwen_bridge.errors import BridgeError, UnknownModel
from qwen_bridge.ports import Clock
from qwen_bridge.qwen.answers import QwenModel
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.surfaces.models import ModelCard, resolve
from qwen_bridge.upstream.client import QwenClient

FRESH_FOR = 600.0
"""Seconds for which a list is used without asking again. Models come and go over weeks."""

STALE_FOR = 30.0
"""Seconds for which an old list is used after Qwen could not be asked: nobody waits for the network again meanwhile."""


class Catalog:
    """The models of one account, and the aliases the user gave. A list that cannot be renewed stays in use.

    A session that rests, by `cooldown`, is not asked for it.
    """

    def __init__(
        self, client: QwenClient, clock: Clock, aliases: Mapping[str, str], default: str, cooldown: CoolDown
    ) -> None:
        self._client = client
        self._cooldown = cooldown
        self._clock = clock
        self._aliases = aliases
        self._default = default
        self._models: tuple[QwenModel, ...] = ()
        self._good_until = float("-inf")
        self._asking = asyncio.Lock()

    async def resolve(self, credentials: Credentials, name: str) -> str:
        """Qwen's id for the client's word; asks Qwen only when the word is neither an alias nor one of OpenAI's.

        Raises `UnknownModel` for a word that a list in hand does not hold. Without a list Qwen itself judges.
        """
        # Behind litellm's `openai/` may stand a name of Qwen's; that must not depend on whether a list is in hand.
        word = name if name in self._aliases else name.removeprefix("openai/")
        try:
            return self._meaning(word, [model.id for model in self._models])
        except UnknownModel:
            return self._meaning(name, await self._known(credentials))

    async def cards(self, credentials: Credentials) -> Sequence[ModelCard]:
        """What `/v1/models` lists: Qwen's models, then the aliases. Raises `BridgeError` when there is no list."""
        models = await self._list(credentials)
        contexts = {model.id: model.context for model in models}
        names = [*contexts, *(alias for alias in self._aliases if alias not in contexts)]
        return [ModelCard(name, 0, context=contexts.get(self._aliases.get(name, name))) for name in names]

    async def card(self, credentials: Credentials, name: str) -> ModelCard:
        """One model by any name that `resolve` takes. Raises `BridgeError`."""
        models = await self._list(credentials)
        target = self._meaning(name, [model.id for model in models])
        return ModelCard(name, 0, context=next((model.context for model in models if model.id == target), None))

    def lists(self, model: str) -> bool:
        """Whether Qwen's list in hand, or a setting, names this model: it is then no word of a client's alone."""
        return model == self._default or model in self._aliases.values() or any(m.id == model for m in self._models)

    def _meaning(self, name: str, known: Collection[str] | None) -> str:
        return resolve(name, known=known, aliases=self._aliases, default=self._default)

    async def _known(self, credentials: Credentials) -> Collection[str] | None:
        try:
            return [model.id for model in await self._list(credentials)]
        except BridgeError:
            return None

    async def _list(self, credentials: Credentials) -> tuple[QwenModel, ...]:
        credentials.require(self._clock.now())
        async with self._asking:
            if self._clock.monotonic() < self._good_until:
                return self._models
            since = self._cooldown.moment
            try:
                self._cooldown.look(credentials.fingerprint, self._clock.monotonic())
                self._models = await self._client.models(credentials)
                self._good_until = self._clock.monotonic() + FRESH_FOR
            except BridgeError as error:
                self._cooldown.struck(credentials.fingerprint, error, self._clock.monotonic(), since)
                if not self._models:
                    raise
                self._good_until = self._clock.monotonic() + STALE_FOR
            return self._models
