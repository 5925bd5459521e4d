"""The bounds that every store keeps, in one place so that all stores forget alike.

What is forgotten is chosen chat by chat: the chat used longest ago loses its deepest anchors first. A node is deeper
than the one it hangs on (`Anchor.depth`), so deepest first is leaf first: what stays of a tree still hangs together and
can be continued from a shallower node. No finer choice is made, because none pays: at most one chat is half forgotten
at any time, and an anchor that is missing costs tokens only. A chat counts as used when one of its anchors is put or
found. The anchor put last stays in any case: it is the one that will be asked for next.
"""

from __future__ import annotations

from typing import Final

MAX_ANCHORS: Final = 100_000
"""Default bound; about 85 MB of Redis. SQLite needs less than half of that on disk."""

PER_KEY: Final = 32
"""Chats kept for one and the same history, the youngest ones. A choice among more is of no use, and a client that
says `ping` every minute would otherwise fill the store with one key."""

TOUCH_SECONDS: Final = 60.0
"""How much older the mark of last use must be before a look-up renews it: reading need not write each time."""


def slack(max_anchors: int) -> int:
    """How many anchors are let go at once when the bound is reached: choosing them costs a sort of everything."""
    return max(1, max_anchors // 20)


def checked(max_anchors: int) -> int:
    """The bound itself, or ValueError when it leaves no room for a single anchor."""
    if max_anchors < 1:
        raise ValueError(f"a store needs room for one anchor at least, not {max_anchors}")
    return max_anchors
