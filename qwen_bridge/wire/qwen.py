"""Qwen's plain JSON answers: the list of models (capture 03) and the new chat (capture 04).

Lenient on purpose: only what the bridge uses is named, unknown fields are ignored, and all but the ids may be missing
or null. The stream's frames are not here: they are too many and too hot for models.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ThinkSkip(_Answer):
    """Whether thinking may be left out."""

    enable: bool | None = None


class ModelMeta(_Answer):
    """What a model can do. Lengths are in tokens; an ability is a level, 0 for none."""

    max_context_length: int | None = None
    max_generation_length: int | None = None
    max_summary_generation_length: int | None = None
    capabilities: dict[str, object] | None = None
    abilities: dict[str, object] | None = None
    think_skip: ThinkSkip | None = None


class ModelDetails(_Answer):
    """The `info` of a model."""

    meta: ModelMeta | None = None
    is_active: bool | None = None


class ModelInfo(_Answer):
    """One entry of the list."""

    id: str = Field(min_length=1)
    name: str | None = None
    info: ModelDetails | None = None


class ModelList(_Answer):
    """Answer of `GET /api/models`."""

    data: list[ModelInfo]


class NewChatData(_Answer):
    """The `data` of a new chat."""

    id: str = Field(min_length=1)


class NewChat(_Answer):
    """Answer of `POST /api/v2/chats/new`, in Qwen's second envelope."""

    success: bool
    data: NewChatData


class ChatNode(_Answer):
    """One message of a stored chat."""

    role: str = ""
    done: bool = False


class ChatHistory(_Answer):
    """The tree of a stored chat."""

    messages: dict[str, ChatNode] = {}
    current_id: str | None = Field(None, alias="currentId")


class ChatTree(_Answer):
    """The `chat` of a stored chat."""

    history: ChatHistory


class StoredChatData(_Answer):
    """The `data` of a stored chat."""

    chat: ChatTree


class StoredChat(_Answer):
    """Answer of `GET /api/v2/chats/<id>`, in Qwen's second envelope."""

    data: StoredChatData
