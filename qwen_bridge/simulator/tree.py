"""The chats of an account and the tree in each: question and answer nodes, as `GET /api/v2/chats/<id>` tells them.

The server makes both ids of a turn; what the client proposes (`fid`, `childrenIds`) is not kept. A question hangs
under any node of the chat: under an answer to go on, under an older one to branch, under no node to begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message: `wire` is the element of `files[]` as the client sent it, `text` what the model reads."""

    id: str
    name: str
    text: str
    wire: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Node:
    """One message. `done` is false while the answer is being given, `stopped` true when it was cut short."""

    id: str
    role: str
    text: str
    parent_id: str | None
    model: str
    timestamp: int
    children: list[str] = field(default_factory=list)
    files: tuple[Attachment, ...] = ()
    reasoning: str = ""
    phase: str = "answer"
    feature_config: dict[str, Any] = field(default_factory=dict)
    done: bool = True
    stopped: bool = False
    error: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The node in the service's shape."""
        status = "finished" if self.done else "typing"
        part = {"content": self.text, "phase": self.phase, "status": status, "extra": None}
        content_list = [part | {"role": self.role, "usage": None}]
        return {
            "id": self.id,
            "role": self.role,
            "content": self.text,
            "parentId": self.parent_id,
            "childrenIds": list(self.children),
            "models": [self.model],
            "model": self.model,
            "chat_type": "t2t",
            "sub_chat_type": "t2t",
            "feature_config": self.feature_config,
            "content_list": content_list if self.role == "assistant" else [],
            "files": [file.wire for file in self.files],
            "timestamp": self.timestamp,
            "done": self.done,
            "is_stop": self.stopped,
            "error": self.error,
            "reasoning_content": self.reasoning or None,
            "user_action": "chat",
        }


@dataclass(slots=True, kw_only=True)
class Chat:
    """One chat and its nodes. `current_id` is the newest answer, null in a chat without one."""

    id: str
    account: str
    model: str
    created_at: int
    title: str = "New Chat"
    mode: str = "normal"
    chat_type: str = "t2t"
    updated_at: int = 0
    nodes: dict[str, Node] = field(default_factory=dict)
    current_id: str | None = None

    def add(self, node: Node) -> None:
        """Hang `node` under its parent, which must be null or a node of this chat. Raises `KeyError` otherwise."""
        if node.parent_id is not None:
            self.nodes[node.parent_id].children.append(node.id)
        self.nodes[node.id] = node
        self.updated_at = node.timestamp
        if node.role == "assistant":
            self.current_id = node.id

    def path(self, node_id: str | None) -> list[Node]:
        """The nodes from the root to `node_id`, both included; empty for null. Raises `KeyError` if it is unknown."""
        nodes: list[Node] = []
        while node_id is not None:
            node = self.nodes[node_id]
            nodes.append(node)
            node_id = node.parent_id
        nodes.reverse()
        return nodes

    def head(self) -> dict[str, Any]:
        """The chat as the list of chats shows it."""
        return {
            "id": self.id,
            "title": self.title,
            "updated_at": self.updated_at or self.created_at,
            "created_at": self.created_at,
            "chat_type": self.chat_type,
            "pinned": False,
            "archived": False,
        }

    def to_json(self) -> dict[str, Any]:
        """The chat with its tree in the service's shape."""
        current = [self.current_id] if self.current_id else []
        messages = {node.id: node.to_json() for node in self.nodes.values()}
        leaf = [messages[node.id] for node in self.path(self.current_id)]
        history = {"messages": messages, "currentId": self.current_id, "currentResponseIds": current}
        return {
            "id": self.id,
            "user_id": self.account,
            "title": self.title,
            "chat": {"history": history, "models": [self.model], "messages": leaf},
            "updated_at": self.updated_at or self.created_at,
            "created_at": self.created_at,
            "currentId": self.current_id,
            "currentResponseIds": current,
            "chat_type": self.chat_type,
            "share_id": None,
            "archived": False,
            "pinned": False,
            "meta": {},
            "folder_id": None,
            "project_id": None,
        }


class Chats:
    """All chats, oldest first. A deleted chat is gone: the service does not tell it from one that never was."""

    __slots__ = ("_chats",)

    def __init__(self) -> None:
        self._chats: dict[str, Chat] = {}

    def __iter__(self) -> Iterator[Chat]:
        return iter(self._chats.values())

    def add(self, chat: Chat) -> None:
        self._chats[chat.id] = chat

    def get(self, chat_id: str) -> Chat | None:
        return self._chats.get(chat_id)

    def delete(self, chat_ids: Iterable[str], account: str) -> Sequence[str]:
        """Drop those of `chat_ids` that belong to `account`; return the ids that were dropped."""
        dropped = [i for i in chat_ids if (chat := self._chats.get(i)) is not None and chat.account == account]
        for chat_id in dropped:
            del self._chats[chat_id]
        return dropped

    def page(self, account: str, number: int, size: int) -> list[Chat]:
        """The `number`-th page (from 1) of an account's chats, the last changed first."""
        own = [chat for chat in self._chats.values() if chat.account == account]
        own.sort(key=lambda chat: chat.updated_at or chat.created_at, reverse=True)
        return own[(number - 1) * size : number * size]

    def clear(self) -> None:
        self._chats.clear()
