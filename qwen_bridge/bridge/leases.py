"""In which chats this bridge is answering, for the other bridges on its store: the part of `bridge` that speaks for it.

Within a process `recovery.pacing` knows where an answer runs. Another bridge learns it only from Qwen, which refuses
its question as busy, and would then stop that answer in the middle. So whoever continues a chat holds a lease on it: a
mark in the store with the name of the bridge, renewed while the answer runs, given back behind it, gone by itself some
seconds after its bridge has died. Who does not get it waits a little, and then goes to a new chat.

A lease is a courtesy, and nothing depends on it but an answer that is cut: Qwen itself takes one question at a time in
a chat. So a store that cannot answer is no reason to wait, and no number needs to fence off a bridge that has slept
through its lease: Qwen refuses its question, or it is stopped. Chats that are just being opened need none; nobody else
knows of them before their first answer is over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

import structlog

from qwen_bridge.ports import ConversationStore, IdSource, StoreUnavailable

log = structlog.get_logger("qwen_bridge")

LEASE = 10.0
"""Seconds after which the lease of a bridge that has died is over."""

RENEW = LEASE / 3
"""Seconds between renewals."""


class Leases:
    """The leases of one bridge. A ticket is any name that its holder chose. Close it with `aclose`."""

    def __init__(self, store: ConversationStore, ids: IdSource) -> None:
        self._store = store
        self._name = ids.token()  # of this bridge, in this life: a later one does not inherit
        self._chats: dict[str, set[str]] = {}  # ticket → chats
        self._held: Counter[str] = Counter()  # chat → tickets
        self._going: dict[str, asyncio.Task[None]] = {}  # chat → its being given back
        self._renewer: asyncio.Task[None] | None = None

    async def take(self, ticket: str, chat_id: str) -> bool:
        """Whether the ticket may answer in the chat, as far as other bridges are concerned; it then holds it."""
        if chat_id in self._chats.get(ticket, ()):
            return True
        self._chats.setdefault(ticket, set()).add(chat_id)
        self._held[chat_id] += 1  # at once: nobody gives it back from now on
        while chat_id in self._going:
            await asyncio.wait({self._going[chat_id]})  # or it would take the new one along
        if not await self._lease(chat_id):
            self._let_go(ticket, chat_id)
            return False
        if self._renewer is None:
            self._renewer = asyncio.get_running_loop().create_task(self._renew())
        return True

    def give(self, ticket: str, after: asyncio.Task[None] | None = None) -> None:
        """The ticket is over; its chats are free once `after` is done. Idempotent."""
        for chat_id in list(self._chats.get(ticket, ())):
            self._let_go(ticket, chat_id, after)

    async def aclose(self) -> None:
        """Give everything back, at once: what is being stopped at Qwen may take longer than there is time."""
        chats = {*self._held, *self._going}
        tasks = [task for task in (self._renewer, *self._going.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        with contextlib.suppress(StoreUnavailable):
            for chat_id in chats:
                await self._store.give_back(chat_id, self._name)
        self._chats.clear()
        self._held.clear()

    async def _lease(self, chat_id: str) -> bool:
        try:
            return await self._store.lease(chat_id, self._name, LEASE)
        except StoreUnavailable:  # told of by those who look conversations up
            return True

    def _let_go(self, ticket: str, chat_id: str, after: asyncio.Task[None] | None = None) -> None:
        held = self._chats.get(ticket, set())
        if chat_id not in held:
            return
        held.discard(chat_id)
        if not held:
            del self._chats[ticket]
        self._held[chat_id] -= 1
        if not self._held[chat_id]:
            del self._held[chat_id]
            going = self._give(chat_id, [task for task in (after, self._going.get(chat_id)) if task is not None])
            self._going[chat_id] = asyncio.get_running_loop().create_task(going)

    async def _give(self, chat_id: str, after: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.sleep(0)  # under mitmproxy a task runs at once, and only then has its place in `_going`
        try:
            if after:
                await asyncio.wait(after, timeout=RENEW)
            if chat_id not in self._held:
                await self._store.give_back(chat_id, self._name)
        except StoreUnavailable:
            pass  # it ends by itself
        finally:
            if self._going.get(chat_id) is asyncio.current_task():
                del self._going[chat_id]

    async def _renew(self) -> None:
        lost: set[str] = set()
        while True:
            await asyncio.sleep(RENEW)
            lost.intersection_update(self._held)
            for chat_id in list(self._held):
                if chat_id in self._held and not await self._lease(chat_id) and chat_id not in lost:
                    lost.add(chat_id)
                    log.warning("another bridge has taken a chat that this one answers in", chat_id=chat_id)
