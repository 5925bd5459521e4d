"""The neutral request: what a client asks, with nobody's wire format in it.

A surface parses its JSON into a `ChatRequest`; everything behind it (conversation, transcript, payload, tool calls)
reads only this. All values are frozen; a list on the wire is a tuple here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

type Role = Literal["system", "user", "assistant", "tool"]
"""`developer` is read as `system`: OpenAI defines it as the same thing for newer models."""


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture by reference; `url` is https or a `data:` URL as the client gave it."""

    url: str


@dataclass(frozen=True, slots=True)
class FilePart:
    """A document; `data` is the client's `data:` URL or base64 text, empty when only an id was given."""

    filename: str
    data: str


type Part = TextPart | ImagePart | FilePart


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call an assistant made earlier in the history. `arguments` is the JSON text as the client echoed it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the client's history.

    `parts` is empty for null content. `tool_call_id` is set on `tool` messages only. `refusal` is what OpenAI keeps
    beside the content of an assistant.
    """

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """All text parts, joined by one newline; parts and a plain string with the same words are the same text."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the client declares. `parameters` is its JSON schema, an empty object when none was given."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`name` is set exactly when `mode` is `named`."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One turn as the client sent it: the whole history, and how it wants the answer.

    `model` is the client's word for it, not yet Qwen's. `thinking` is None when the client did not say.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    thinking: bool | None = None

    @property
    def instructions(self) -> str:
        """All system texts in their order, joined by a blank line; `""` when there are none."""
        return "\n\n".join(m.text for m in self.messages if m.role == "system" and m.text)

    @property
    def dialogue(self) -> tuple[Message, ...]:
        """The messages that are turns: everything but the system texts."""
        return tuple(m for m in self.messages if m.role != "system")
