"""Anchors in memory, for as long as the process runs: when no file is wanted or the file cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qwen_bridge.ports import Anchor, ChatSummary, Clock, Counts, StoreUnavailable
from qwen_bridge.store.limits import MAX_ANCHORS, PER_KEY, TOUCH_SECONDS, checked, slack

type _Node = tuple[str, str]


@dataclass(slots=True)
class _Chat:
    """When a chat was last used (seconds since 1970), and which anchors lie in it, with their key."""

    used: float
    anchors: dict[tuple[str, str], Anchor] = field(default_factory=dict)  # (key, parent_id) → anchor

    def summary(self, chat_id: str) -> ChatSummary:
        leaf = max(self.anchors.values(), key=lambda anchor: anchor.depth)
        return ChatSummary(chat_id, leaf.model, leaf.account, leaf.depth, len(self.anchors), self.used)


class MemoryStore:
    """`ports.ConversationStore` without persistence. `max_anchors` bounds it; see `limits` for what is forgotten."""

    __slots__ = ("_chats", "_clock", "_closed", "_held", "_max", "_size")

    def __init__(self, clock: Clock, *, max_anchors: int = MAX_ANCHORS) -> None:
        self._clock = clock
        self._max = checked(max_anchors)
        self._held: dict[str, dict[_Node, Anchor]] = {}  # each inner dict oldest first
        self._chats: dict[str, _Chat] = {}
        self._size = 0
        self._closed = False

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        """As the port says; marks the chats it found as used."""
        self._check()
        found = {key: list(self._held[key].values()) for key in keys if key in self._held}
        now = self._clock.now()
        for chat_id in {anchor.chat_id for anchors in found.values() for anchor in anchors}:
            chat = self._chats[chat_id]
            if now - chat.used > TOUCH_SECONDS:
                chat.used = now
        return found

    async def put(self, key: str, anchor: Anchor) -> None:
        """As the port says; marks the chat as used, and forgets others when there are too many."""
        self._check()
        chat = self._chats.setdefault(anchor.chat_id, _Chat(self._clock.now()))
        chat.used = max(chat.used, self._clock.now())
        held = self._held.setdefault(key, {})
        self._size += (anchor.chat_id, anchor.parent_id) not in held
        held[anchor.chat_id, anchor.parent_id] = anchor
        chat.anchors[key, anchor.parent_id] = anchor
        if len(held) > PER_KEY:
            self._remove(key, next(iter(held)))
        if self._size > self._max:
            self._evict((key, anchor.parent_id), anchor.chat_id)

    async def drop_chat(self, chat_id: str) -> int:
        self._check()
        chat = self._chats.get(chat_id)
        doomed = [(key, (chat_id, parent_id)) for key, parent_id in chat.anchors] if chat else []
        return self._remove_all(doomed)

    async def drop(self, chat_id: str, parent_id: str) -> int:
        self._check()
        chat = self._chats.get(chat_id)
        doomed = [(key, (chat_id, parent)) for key, parent in chat.anchors if parent == parent_id] if chat else []
        return self._remove_all(doomed)

    async def lease(self, chat_id: str, holder: str, seconds: float) -> bool:
        """Always: nobody else sees this memory."""
        self._check()
        return True

    async def give_back(self, chat_id: str, holder: str) -> None:
        self._check()

    async def purge(self, older_than: float) -> int:
        self._check()
        oldest = self._clock.now() - older_than
        idle = [chat_id for chat_id, chat in self._chats.items() if chat.used < oldest]
        return sum([await self.drop_chat(chat_id) for chat_id in idle])

    async def counts(self) -> Counts:
        self._check()
        return Counts(self._size, len(self._chats), min((chat.used for chat in self._chats.values()), default=None))

    async def chats(self, limit: int) -> list[ChatSummary]:
        self._check()
        latest = sorted(self._chats.items(), key=lambda item: item[1].used, reverse=True)[: max(0, limit)]
        return [chat.summary(chat_id) for chat_id, chat in latest]

    async def anchors_of(self, chat_id: str) -> list[Anchor]:
        self._check()
        chat = self._chats.get(chat_id)
        return sorted(chat.anchors.values(), key=lambda anchor: anchor.depth) if chat else []

    async def close(self) -> None:
        """Forget everything. A second call does nothing."""
        self._closed = True
        self._held.clear()
        self._chats.clear()
        self._size = 0

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _evict(self, spared: tuple[str, str], spared_chat: str) -> None:
        """Chats used longest ago first, deepest anchors of each first, never the one put last."""
        wanted = self._size - (self._max - slack(self._max) + 1)
        doomed: list[tuple[str, _Node]] = []
        for chat_id, chat in sorted(self._chats.items(), key=lambda item: item[1].used):
            leaves = sorted(chat.anchors.items(), key=lambda item: -item[1].depth)
            doomed += [(at[0], (chat_id, at[1])) for at, _ in leaves if at != spared or chat_id != spared_chat]
            if len(doomed) >= wanted:
                break
        self._remove_all(doomed[:wanted])

    def _remove_all(self, doomed: Sequence[tuple[str, _Node]]) -> int:
        for key, node in doomed:
            self._remove(key, node)
        return len(doomed)

    def _remove(self, key: str, node: _Node) -> None:
        held, chat = self._held[key], self._chats[node[0]]
        del held[node]
        del chat.anchors[key, node[1]]
        self._size -= 1
        if not held:
            del self._held[key]
        if not chat.anchors:
            del self._chats[node[0]]
