"""Qwen's plain JSON answers to values: the id of a new chat, the models on offer, the answer being written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from qwen_bridge.qwen.faults import classify
from qwen_bridge.wire.qwen import ModelInfo, ModelList, ModelMeta, NewChat, StoredChat

_ALWAYS_THINKS = 4  # `abilities.thinking` of models that refuse `thinking_enabled: false` (protocol notes, 2.2)


@dataclass(frozen=True, slots=True)
class QwenModel:
    """One model of the web chat. `context` and `max_output` are in tokens, None where Qwen does not say."""

    id: str
    name: str
    context: int | None
    max_output: int | None
    thinks: bool
    can_skip_thinking: bool


def chat_id_of(body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> str:
    """The id in the answer of `chats/new`. Raises the `BridgeError` of any other answer."""
    try:
        answer = NewChat.model_validate_json(body)
    except ValidationError:
        raise classify(status, headers, body) from None
    if not answer.success:
        raise classify(status, headers, body)
    return answer.data.id


def models_of(body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> tuple[QwenModel, ...]:
    """The active models in the answer of `/api/models`, in Qwen's order.

    Raises the `BridgeError` of any other answer.
    """
    try:
        answer = ModelList.model_validate_json(body)
    except ValidationError:
        raise classify(status, headers, body) from None
    return tuple(_model(entry) for entry in answer.data if entry.info is None or entry.info.is_active is not False)


def running_of(body: bytes, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> str:
    """The id of the answer being written in a chat, by the answer of `chats/<id>`; empty when its last one is done.

    Raises the `BridgeError` of any other answer.
    """
    try:
        answer = StoredChat.model_validate_json(body)
    except ValidationError:
        raise classify(status, headers, body) from None
    history = answer.data.chat.history
    last = history.messages.get(history.current_id or "")
    return history.current_id or "" if last is not None and last.role == "assistant" and not last.done else ""


def _model(entry: ModelInfo) -> QwenModel:
    meta = (entry.info and entry.info.meta) or ModelMeta()
    level = (meta.abilities or {}).get("thinking")
    thinks = bool(level or (meta.capabilities or {}).get("thinking"))
    skippable = meta.think_skip is None or meta.think_skip.enable is not False
    return QwenModel(
        id=entry.id,
        name=entry.name or entry.id,
        context=meta.max_context_length,
        max_output=meta.max_generation_length or meta.max_summary_generation_length,
        thinks=thinks,
        can_skip_thinking=skippable and level != _ALWAYS_THINKS,
    )
