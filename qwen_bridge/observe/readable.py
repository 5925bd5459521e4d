"""Bytes of a turn as text for people: what the client asked, what Qwen was asked, what the client was told.

For content views only; whatever cannot be read is shown as it is. Nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

RULE = "─" * 72
LONGEST = 4_000
"""Characters shown of one text; a person who needs more looks at the raw bytes."""


def question(client: bytes, qwen: bytes, route: str) -> str:
    """The two requests of a turn: the client's history in short, and the one message to Qwen in full."""
    asked, sent = _object(client), _object(qwen)
    history = (f"  {m.get('role')}: {_short(_text(m.get('content')), 200)}" for m in _objects(asked.get("messages")))
    manner = "streamed" if asked.get("stream") else "whole"
    lines = [f"THE CLIENT ASKED  ({len(client):,} bytes, model {asked.get('model')}, {manner})"]
    lines += [*history, RULE, f"QWEN WAS ASKED  ({len(qwen):,} bytes, conversation: {route})"]
    lines += [f"  chat {sent.get('chat_id')}   parent {sent.get('parent_id')}   model {sent.get('model')}", ""]
    words = [_text(message.get("content")) for message in _objects(sent.get("messages"))]
    return "\n".join([*lines, _short("\n".join(words), LONGEST) if words else "(nothing yet)"])


def answer(body: bytes, calls: str = "") -> str:
    """What the client was told: reasoning, text, tool calls, how it ended, of a stream or of one document.

    `calls` says of each call of the model's, a line each, how it was read and what became of it.
    """
    reasoning: list[str] = []
    text: list[str] = []
    notes: list[str] = []
    for chunk in _chunks(body):
        for choice in _objects(chunk.get("choices")):
            for part in _objects([choice.get("delta"), choice.get("message")]):
                reasoning.append(_text(part.get("reasoning_content")))
                text.append(_text(part.get("content")))
                notes += [f"tool call: {_call(call)}" for call in _objects(part.get("tool_calls"))]
            notes += [f"finish_reason: {choice['finish_reason']}"] if choice.get("finish_reason") else []
        notes += [f"{name}: {_json(chunk[name])}" for name in ("usage", "error") if chunk.get(name)]
    parts = [
        ("REASONING", "".join(reasoning)),
        ("TEXT", "".join(text)),
        ("", "\n".join(notes)),
        ("CALLS AS THEY WERE READ", calls),
    ]
    shown = [f"{title}\n{_short(content, 5 * LONGEST)}".strip() for title, content in parts if content]
    return f"\n{RULE}\n".join(shown) or body.decode("utf-8", "replace")


def _chunks(body: bytes) -> Iterator[dict[str, Any]]:
    lines = body.split(b"\n") if body.startswith((b"data:", b":")) else [body]
    return (chunk for line in lines if (chunk := _object(line.removeprefix(b"data:").strip())))


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list, when it is one; other people's JSON may hold anything anywhere."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _call(call: dict[str, Any]) -> str:
    """Name and arguments, as they came; anything that is no whole call in full."""
    match call:
        case {"id": str(ident), "function": {"name": str(name), "arguments": str(arguments)}}:
            return f"{name} {arguments}  ({ident})"
    return _json(call)


def _text(content: object) -> str:
    """A message's content, a string or parts, as one text."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in _objects(content))
    return content if isinstance(content, str) else ""


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} more characters)"
