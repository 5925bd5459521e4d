"""The anchors of the recent past, in memory: what is asked before the store, and written before the last bytes leave.

A client acts on `[DONE]` at once, so its next request may come before the store has written anything. The book also
knows two things the store does not: which nodes were already continued, and which turned out to be dead while the store
could not be told. It holds hashes and ids only, never text, and never more than `capacity` anchors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from qwen_bridge.ports import Anchor

PER_KEY: Final = 32
"""Chats remembered for one and the same history. A choice among more is of no use, and `ping`/`pong` has no end."""

RECENT: Final = 10_000
"""Anchors held in memory, at most, however many the store may hold."""

type Node = tuple[str, str]
"""`(chat_id, parent_id)`."""


class AnchorBook:
    """Bounded memory of anchors, least recently used keys leaving first. All calls are O(keys asked)."""

    __slots__ = ("_capacity", "_claimed", "_dead_chats", "_dead_nodes", "_held", "_keys_of", "_size")

    def __init__(self, capacity: int = RECENT) -> None:
        if capacity < 1:
            raise ValueError(f"an anchor book needs room for one anchor at least, not {capacity}")
        self._capacity = capacity
        self._size = 0
        self._held: OrderedDict[str, dict[Node, Anchor]] = OrderedDict()  # each dict oldest first
        self._keys_of: dict[str, set[str]] = {}  # chat_id → keys that have an anchor in it
        self._claimed = _Recent[Node](capacity)
        self._dead_nodes = _Recent[Node](capacity)
        self._dead_chats = _Recent[str](capacity)

    def __len__(self) -> int:
        """How many anchors are held."""
        return self._size

    def put(self, key: str, anchor: Anchor) -> None:
        """Remember that the history `key` lies at `anchor`. A node known for it is renewed and keeps its age."""
        node = _node(anchor)
        # An answer has just come from there: whatever was believed before, the node lives.
        self._dead_nodes.discard(node)
        self._dead_chats.discard(anchor.chat_id)
        self._add(key, [anchor])
        self._shrink()

    def merge(self, found: Mapping[str, Sequence[Anchor]]) -> None:
        """Take over what the store said, oldest first as it gives them. Nodes known to be dead stay out."""
        for key, anchors in found.items():
            alive = [a for a in anchors if a.chat_id not in self._dead_chats and _node(a) not in self._dead_nodes]
            newer = list(self._held.get(key, {}).values())
            for node in list(self._held.get(key, {})):
                self._remove(key, node)
            # The book's own word for a node is the later one, the store's order is the older one.
            self._add(key, [*alive, *newer])
        self._shrink()

    def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        """The anchors of those keys that are held, each list in order of preference; unknown keys are absent.

        Preferred are nodes that nobody has continued, then the oldest. Asked deepest first, the keys end up with
        the root used last: when room is needed, leaves go before the nodes they hang on.
        """
        found: dict[str, list[Anchor]] = {}
        for key in keys:
            anchors = self._held.get(key)
            if anchors:
                self._held.move_to_end(key)
                found[key] = sorted(anchors.values(), key=self.is_claimed)
        return found

    def claim(self, anchor: Anchor) -> None:
        """Mark the node as continued, so that another conversation with the same beginning takes another one."""
        self._claimed.add(_node(anchor))

    def is_claimed(self, anchor: Anchor) -> bool:
        return _node(anchor) in self._claimed

    def drop(self, chat_id: str, parent_id: str) -> int:
        """Forget a node that Qwen refused, and do not take it from the store again; return how many anchors went."""
        self._dead_nodes.add((chat_id, parent_id))
        return self._forget(chat_id, {(chat_id, parent_id)})

    def drop_chat(self, chat_id: str) -> int:
        """Forget a chat that is gone, and do not take it from the store again; return how many anchors went."""
        self._dead_chats.add(chat_id)
        return self._forget(chat_id, None)

    def _forget(self, chat_id: str, nodes: set[Node] | None) -> int:
        """Remove the anchors of a chat, all or those at `nodes`."""
        doomed = [
            (key, node)
            for key in self._keys_of.get(chat_id, ())
            for node in self._held[key]
            if node[0] == chat_id and (nodes is None or node in nodes)
        ]
        for key, node in doomed:
            self._remove(key, node)
        return len(doomed)

    def _add(self, key: str, anchors: Iterable[Anchor]) -> None:
        held = self._held.setdefault(key, {})
        self._held.move_to_end(key)
        for anchor in anchors:
            self._size += _node(anchor) not in held
            held[_node(anchor)] = anchor
            self._keys_of.setdefault(anchor.chat_id, set()).add(key)
        for node in list(held)[: max(0, len(held) - PER_KEY)]:
            self._remove(key, node)
        if not held:
            self._held.pop(key, None)

    def _remove(self, key: str, node: Node) -> None:
        held = self._held[key]
        del held[node]
        self._size -= 1
        if not held:
            del self._held[key]
        if not any(other[0] == node[0] for other in held):
            keys = self._keys_of[node[0]]
            keys.discard(key)
            if not keys:
                del self._keys_of[node[0]]

    def _shrink(self) -> None:
        while self._size > self._capacity:
            key, held = next(iter(self._held.items()))
            self._remove(key, next(iter(held)))


class _Recent[T]:
    """A set that forgets its oldest members beyond `capacity`."""

    __slots__ = ("_capacity", "_members")

    def __init__(self, capacity: int = RECENT) -> None:
        self._capacity = capacity
        self._members: OrderedDict[T, None] = OrderedDict()

    def __contains__(self, member: T) -> bool:
        return member in self._members

    def add(self, member: T) -> None:
        self._members[member] = None
        self._members.move_to_end(member)
        if len(self._members) > self._capacity:
            self._members.popitem(last=False)

    def discard(self, member: T) -> None:
        self._members.pop(member, None)


def _node(anchor: Anchor) -> Node:
    return anchor.chat_id, anchor.parent_id
