"""What the bridge leaves behind at Qwen, cleared away: answers that nobody hears, chats that nobody will continue.

This is the part of `bridge` that no answer depends on: whatever fails here is logged and forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import batched
from typing import Any

import structlog

from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.effects import Stop
from qwen_bridge.ports import ChatSummary
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.upstream.client import QwenClient

log = structlog.get_logger("qwen_bridge")

BATCH = 50
"""Chats deleted with one call."""

STOP_WAIT = 2.0
"""Seconds for which the next attempt waits until an earlier answer is stopped."""


class Tidier:
    """Stops answers and deletes chats of one session, as it is at the moment. `aclose` waits for what is under way."""

    def __init__(self, client: QwenClient, credentials: Callable[[], Credentials]) -> None:
        self._client = client
        self._credentials = credentials
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self, stop: Stop, taken: Callable[[], bool]) -> asyncio.Task[None]:
        """End an answer that nobody wants, so that its chat is free.

        Without its id, whatever is written there is meant; not so if somebody else has `taken` the chat meanwhile.
        """
        return self._later(self._stopped(stop, taken))

    async def stopped(self, stop: Stop, taken: Callable[[], bool]) -> None:
        """`stop`, and wait a little until it is done; what takes longer might hit the answer that comes next."""
        task = self.stop(stop, taken)
        await asyncio.wait({task}, timeout=STOP_WAIT)
        task.cancel()

    def delete(self, chat_id: str) -> None:
        """Delete a chat. What may still be said there ends with it."""
        self._later(self._client.delete_chats(self._credentials(), [chat_id]))

    async def bury(self, chats: Sequence[ChatSummary]) -> None:
        """Delete forgotten chats, those of this account: another's are for the bridge that has its session."""
        own = [chat.chat_id for chat in chats if chat.account == self._credentials().account]
        for some in batched(own, BATCH):
            await self._quietly(self._client.delete_chats(self._credentials(), some))
        if own:
            log.info("forgotten chats deleted at Qwen", chats=len(own))

    async def aclose(self) -> None:
        """Let what is under way end."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _stopped(self, stop: Stop, taken: Callable[[], bool]) -> None:
        running = stop.response_id or await self._client.running(self._credentials(), stop.chat_id)
        if running and (stop.response_id or not taken()):
            await self._client.stop(self._credentials(), stop.chat_id, running)

    def _later(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _quietly(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except BridgeError as error:
            log.info("something was left behind at Qwen", code=error.code)
