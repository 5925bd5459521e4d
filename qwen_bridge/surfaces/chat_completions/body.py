"""`StreamEvent`s → the one object of a Chat Completion that is not streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import orjson

from qwen_bridge.events import (
    FinishReason,
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    UsageReported,
)
from qwen_bridge.surfaces.chat_completions.ending import UNKNOWN_USAGE, finish_reason, usage_object
from qwen_bridge.surfaces.json_text import json_text
from qwen_bridge.surfaces.surface import AnswerHead


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


class BodyEncoder:
    """Collects one answer and writes it at `ResponseEnded`; a `Stage[StreamEvent, bytes]`.

    Everything else writes nothing: a failure, or a `close` before the end, leaves the status line free, and the border
    answers with an HTTP error. The content is null only when the answer consists of tool calls, as in OpenAI's API.
    What it holds is the answer, and nothing bounds it but the answer.
    """

    __slots__ = ("_calls", "_head", "_over", "_reasoning", "_text", "_usage")

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._usage = UNKNOWN_USAGE
        self._over = False

    def feed(self, item: StreamEvent, /) -> Sequence[bytes]:
        if self._over:
            return ()
        match item:
            case TextDelta(text):
                self._text.append(text)
            case ReasoningDelta(text):
                self._reasoning.append(text)
            case ToolCallStarted(index, call_id, name):
                self._calls[index] = _Call(call_id, name)
            case ToolCallDelta(index, arguments):
                self._calls[index].arguments.append(arguments)
            case UsageReported(usage):
                self._usage = usage
            case ResponseStarted() | ToolCallEnded():
                pass
            case ResponseEnded(reason):
                self._over = True
                return (orjson.dumps(self._completion(reason)),)
            case ResponseFailed():
                self._over = True
            case _:
                assert_never(item)
        return ()

    def close(self) -> Sequence[bytes]:
        self._over = True
        return ()

    def _completion(self, reason: FinishReason) -> dict[str, Any]:
        return {
            "id": _string(self._head.id),
            "object": "chat.completion",
            "created": self._head.created,
            "model": _string(self._head.model),
            "choices": [
                {
                    "index": 0,
                    "message": self._message(),
                    "logprobs": None,
                    "finish_reason": finish_reason(reason, calls=bool(self._calls)),
                }
            ],
            "usage": usage_object(self._usage),
            "system_fingerprint": None,
        }

    def _message(self) -> dict[str, Any]:
        text = "".join(self._text)
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self._calls and not text else _string(text),
            "refusal": None,
            "annotations": [],
        }
        reasoning = "".join(self._reasoning)
        if reasoning:
            message["reasoning_content"] = _string(reasoning)
        if self._calls:
            message["tool_calls"] = [
                {
                    "id": _string(call.id),
                    "type": "function",
                    "function": {"name": _string(call.name), "arguments": _string("".join(call.arguments))},
                }
                for _, call in sorted(self._calls.items())
            ]
        return message


def _string(text: str) -> orjson.Fragment:
    return orjson.Fragment(json_text(text))
