"""The neutral answer: one closed set of events, in this order.

::

    ResponseStarted (ReasoningDelta | TextDelta | ToolCall… | UsageReported)* (ResponseEnded | ResponseFailed)

`QwenDecoder` makes them, stages between may change them, a surface's encoder writes them. `ResponseEnded` and
`ResponseFailed` are terminal: exactly one of them comes, last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qwen_bridge.errors import BridgeError

type FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """Qwen opened an answer. `user_id` is the node of the message just sent, `response_id` the node of the answer.

    Qwen calls the former `response.created.parent_id`; it is not the `parent_id` of the request.
    """

    chat_id: str
    user_id: str
    response_id: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Notice(TextDelta):
    """Words of the bridge about a call that did not run: text to every client, and none of the model's."""


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """`index` counts from 0 within one answer; `id` is minted by the bridge."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the call's arguments, JSON text."""

    index: int
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallEnded:
    index: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `reasoning` is part of `completion`, `cached` part of `prompt`."""

    prompt: int
    completion: int
    reasoning: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class UsageReported:
    """A running total; the last one counts."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class ResponseFailed:
    error: BridgeError


type StreamEvent = (
    ResponseStarted
    | ReasoningDelta
    | TextDelta
    | Notice
    | ToolCallStarted
    | ToolCallDelta
    | ToolCallEnded
    | UsageReported
    | ResponseEnded
    | ResponseFailed
)
