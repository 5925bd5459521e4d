"""Who may ask Qwen now: so many answers per account at once, one per chat, the others in the order they came.

People who run several clients on one account report that two answers at a time are borne and more are refused or
punished (protocol notes, section 6), so the third client waits here rather than be told no there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from qwen_bridge.errors import QueueFull


@dataclass(slots=True)
class _Account:
    running: set[str] = field(default_factory=set)
    waiting: OrderedDict[str, float] = field(default_factory=OrderedDict)  # ticket → when it came


class Pacer:
    """Slots per account, and one queue in front of each. A ticket is any name that its holder chose.

    `limit` is the number of answers at once, 0 for no limit; `room` the number of tickets that may wait per account.
    Every ticket that entered must leave, whether it was ever let through or not.
    """

    def __init__(self, limit: int, room: int) -> None:
        self._limit = limit
        self._room = room
        self._accounts: dict[str, _Account] = {}
        self._account_of: dict[str, str] = {}
        self._holder_of: dict[str, str] = {}  # chat → the ticket whose answer runs there

    def enter(self, account: str, ticket: str, now: float) -> None:
        """Take a slot or a place in the queue; a ticket that has entered already keeps what it has.

        `now` is in seconds on a clock that never jumps. Raises `QueueFull` when the queue is full.
        """
        if ticket in self._account_of:
            return
        state = self._accounts.setdefault(account, _Account())
        if self._limit == 0 or len(state.running) < self._limit:
            state.running.add(ticket)
        elif len(state.waiting) < self._room:
            state.waiting[ticket] = now
        else:
            raise QueueFull(
                f"{len(state.waiting)} requests are waiting for this Qwen account already. Try again in a while.",
                retry_after=10.0,
            )
        self._account_of[ticket] = account

    def may_go(self, ticket: str) -> bool:
        """Whether the ticket has a slot."""
        account = self._accounts.get(self._account_of.get(ticket, ""))
        return account is not None and ticket in account.running

    def waited(self, ticket: str, now: float) -> float:
        """Seconds since the ticket took its place in the queue; 0 for one that is not in it."""
        account = self._accounts.get(self._account_of.get(ticket, ""))
        return now - account.waiting.get(ticket, now) if account is not None else 0.0

    def hold(self, chat_id: str, ticket: str) -> None:
        """The ticket's answer runs in this chat from now on, and in no other."""
        self._let_go(ticket)
        self._holder_of[chat_id] = ticket

    def busy(self, ticket: str) -> frozenset[str]:
        """The chats in which answers of other tickets run: Qwen would refuse a second one."""
        return frozenset(chat for chat, holder in self._holder_of.items() if holder != ticket)

    def leave(self, ticket: str) -> None:
        """Give back slot or place, and the chat; the next in the queue goes. Idempotent."""
        self._let_go(ticket)
        name = self._account_of.pop(ticket, None)
        if name is None:
            return
        account = self._accounts[name]
        account.waiting.pop(ticket, None)
        account.running.discard(ticket)
        while account.waiting and len(account.running) < self._limit:
            following, _ = account.waiting.popitem(last=False)
            account.running.add(following)
        if not account.running and not account.waiting:
            del self._accounts[name]

    def _let_go(self, ticket: str) -> None:
        for chat in [chat for chat, holder in self._holder_of.items() if holder == ticket]:
            del self._holder_of[chat]
