"""What is sent to chat.qwen.ai: paths and JSON bodies, as the web client of early 2026 sends them.

The shapes are those of the browser captures 01, 02, 04, 08 and 09 (ages A and B in the protocol notes); clients that
still send them in August 2026 are served. Ids and times come in as arguments: nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

MODELS_PATH = "/api/models"
NEW_CHAT_PATH = "/api/v2/chats/new"
DELETE_CHATS_PATH = "/api/v2/chats/batch_delete"
COMPLETIONS_PATH = "/api/v2/chat/completions"
STOP_PATH = "/api/v2/chat/completions/stop"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message to a web chat.

    `parent_id` is the node it hangs on (the `response_id` of the answer before), None for the first message of a chat.
    `message_id` and `answer_id` are UUIDs of the client's making; the server replaces both (capture 07). `files` are
    ready elements of Qwen's `files` array. `timestamp` is in whole seconds since 1970. `local_mcp` declares tools of
    the client on the site's own channel, `{server: {tool: {description, input_schema}}}` (toolcalls.md §7.4).
    """

    chat_id: str
    parent_id: str | None
    model: str
    content: str
    thinking: bool
    message_id: str
    answer_id: str
    timestamp: int
    files: tuple[dict[str, Any], ...] = ()
    local_mcp: dict[str, Any] | None = None


def completions_path(chat_id: str) -> str:
    """Where a turn is posted; the query must name the same chat as the body."""
    return f"{COMPLETIONS_PATH}?chat_id={quote(chat_id, safe='')}"


def stop_path(chat_id: str) -> str:
    """Where a running answer is stopped."""
    return f"{STOP_PATH}?chat_id={quote(chat_id, safe='')}"


def chat_path(chat_id: str) -> str:
    """One chat: GET shows its tree, DELETE removes it."""
    return f"/api/v2/chats/{quote(chat_id, safe='')}"


def new_chat(model: str, title: str, timestamp_ms: int) -> bytes:
    """Body of `POST /api/v2/chats/new`. The time is in *milli*seconds here, and only here (capture 04)."""
    return _dumps(
        {
            "title": title,
            "models": [model],
            "chat_mode": "normal",
            "chat_type": "t2t",
            "timestamp": timestamp_ms,
        }
    )


def completion(turn: Turn) -> bytes:
    """Body of `POST /api/v2/chat/completions`: exactly one message, since more are refused as "too many messages"."""
    message = {
        "fid": turn.message_id,
        "parentId": turn.parent_id,
        "childrenIds": [turn.answer_id],
        "role": "user",
        "content": turn.content,
        "user_action": "chat",
        "files": list(turn.files),
        "timestamp": turn.timestamp,
        "models": [turn.model],
        "chat_type": "t2t",
        "feature_config": _feature_config(turn),
        "extra": {"meta": {"subChatType": "t2t"}},
        "sub_chat_type": "t2t",
        "parent_id": turn.parent_id,
    }
    return _dumps(
        {
            "stream": True,
            "version": "2.1",
            "incremental_output": True,
            "chat_id": turn.chat_id,
            "chat_mode": "normal",
            "model": turn.model,
            "parent_id": turn.parent_id,
            "messages": [message],
            "timestamp": turn.timestamp,
        }
    )


def stop(chat_id: str, response_id: str) -> bytes:
    """Body of `POST …/completions/stop`: a chat whose stream was dropped unstopped stays "in progress"."""
    return _dumps({"chat_id": chat_id, "response_id": response_id})


def delete_chats(chat_ids: Sequence[str]) -> bytes:
    """Body of `POST /api/v2/chats/batch_delete` (protocol notes, section 1)."""
    return _dumps({"ids": list(chat_ids)})


def _feature_config(turn: Turn) -> dict[str, Any]:
    """The switches of one turn.

    `output_schema` makes the deltas name their phase. `auto_search` is false or the server may search on its own. No
    function switches: set to true, they make the model write "Tool … does not exists." about tools the prompt teaches.
    """
    local_mcp = {} if turn.local_mcp is None else {"local_mcp": turn.local_mcp}
    return {
        "thinking_enabled": turn.thinking,
        "output_schema": "phase",
        "research_mode": "normal",
        "auto_thinking": False,
        "thinking_mode": "Thinking" if turn.thinking else "Fast",
        "thinking_format": "summary",
        "auto_search": False,
        **local_mcp,
    }


def _dumps(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # A lone surrogate, from an editor that cut a text inside an emoji: UTF-8 cannot carry it, U+FFFD can.
        return orjson.dumps(_without_surrogates(body))


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case dict():
            return {key: _without_surrogates(item) for key, item in value.items()}
        case list():
            return [_without_surrogates(item) for item in value]
        case _:
            return value
