"""The instructions that chats have seen lately, by digest: what `changes` compares with.

In memory only. The store keeps digests and never text, so after a restart a change is told by the whole new text.
"""

from __future__ import annotations

from collections import OrderedDict


class InstructionsBook:
    """Texts by their digest, bounded in characters; the least recently used go first."""

    __slots__ = ("_capacity", "_size", "_texts")

    def __init__(self, capacity: int = 8_000_000) -> None:
        self._capacity = capacity
        self._size = 0
        self._texts: OrderedDict[str, str] = OrderedDict()

    def put(self, digest: str, text: str) -> None:
        """Remember what `digest` stands for."""
        if digest not in self._texts:
            self._size += len(text)
            self._texts[digest] = text
        self._texts.move_to_end(digest)
        while self._size > self._capacity:
            _, dropped = self._texts.popitem(last=False)
            self._size -= len(dropped)

    def get(self, digest: str) -> str | None:
        """The text, or None when it was never here or had to go."""
        if digest in self._texts:
            self._texts.move_to_end(digest)
        return self._texts.get(digest)
