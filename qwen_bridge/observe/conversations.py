"""What a store knows of conversations, as text for a terminal: a table of chats, and one chat as a tree.

Ids, digests and numbers in, lines out; there are no words of anybody's conversation to show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from qwen_bridge.ports import Anchor, ChatSummary

ACCOUNT: Final = 8
"""Characters of an account's digest that are shown: enough to tell a person's accounts apart."""

_HEAD: Final = ("CHAT", "MODEL", "ACCOUNT", "MESSAGES", "NODES", "USED")
_NUMBERS: Final = {"MESSAGES", "NODES", "USED"}
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def chat_table(chats: Sequence[ChatSummary], now: float) -> str:
    """A line for each chat below a head, in the order given; `now` in seconds since 1970. Ends with a line break."""
    if not chats:
        return "No conversation is remembered.\n"
    rows = [_HEAD, *(_cells(chat, now) for chat in chats)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_HEAD, row, widths, strict=True)
        )
        for row in rows
    )
    return "".join(line + "\n" for line in lines)


def chat_tree(anchors: Sequence[Anchor]) -> str:
    """The nodes of one chat, each below the one it hangs on, as `MESSAGES  NODE`. Ends with a line break.

    A conversation that was never forked runs straight down; only forks are set in, so that two hundred turns fit. A
    node hangs on the chat itself when it is the first turn, or when the one before it is forgotten or not known; its
    line then says so. A node that several histories lead to is shown once, with their number. Linear, whatever the
    anchors say of one another.
    """
    if not anchors:
        return "This chat is not remembered.\n"
    nodes = {anchor.parent_id: anchor for anchor in anchors}
    histories = Counter(anchor.parent_id for anchor in anchors)
    children: dict[str, list[str]] = {}
    for node, anchor in nodes.items():
        children.setdefault(anchor.previous if _hangs(anchor, nodes) else "", []).append(node)

    top = max(nodes.values(), key=lambda anchor: anchor.depth)
    lines = [f"{_plain(top.chat_id)}  {_plain(top.model)}  account {_plain(top.account[:ACCOUNT])}"]
    waiting = _below(children.get("", []), "")
    while waiting:
        here = waiting.pop()
        lines.append(here.mark + _node(nodes[here.node], histories[here.node], nodes))
        waiting += _below(children.get(here.node, []), here.margin)
    return "".join(line + "\n" for line in lines)


@dataclass(frozen=True, slots=True)
class _Place:
    """A node still to be written: what stands before it, and before the lines below it."""

    node: str
    mark: str
    margin: str


def _below(nodes: Sequence[str], margin: str) -> list[_Place]:
    """Where the children of a node come, the last one first: they are taken from the end."""
    if len(nodes) == 1:
        return [_Place(nodes[0], margin, margin)]
    last = len(nodes) - 1
    forks = [
        _Place(node, margin + ("└─ " if at == last else "├─ "), margin + ("   " if at == last else "│  "))
        for at, node in enumerate(nodes)
    ]
    return forks[::-1]


def _hangs(anchor: Anchor, nodes: dict[str, Anchor]) -> bool:
    """Whether the node before is known. It must be less deep: whatever a store says, no node hangs on itself."""
    before = nodes.get(anchor.previous)
    return before is not None and before.depth < anchor.depth


def _node(anchor: Anchor, histories: int, nodes: dict[str, Anchor]) -> str:
    line = f"{anchor.depth}  {_plain(anchor.parent_id)}"
    if histories > 1:
        line += f"  ({histories} histories)"
    if anchor.previous and not _hangs(anchor, nodes):
        line += f"  (after {_plain(anchor.previous)}, forgotten)"
    return line


def _cells(chat: ChatSummary, now: float) -> tuple[str, ...]:
    names = (_plain(chat.chat_id), _plain(chat.model), _plain(chat.account[:ACCOUNT]))
    return *names, str(chat.depth), str(chat.anchors), _ago(now - chat.used)


def _ago(seconds: float) -> str:
    """`3 min ago`; `just now` also for what lies ahead, which is another machine's clock."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def _plain(text: str) -> str:
    """Nothing that a terminal would obey: ids are Qwen's, and are not trusted to be ids."""
    return "".join(char if char.isprintable() else "?" for char in text)
