"""Chat Completions as one `Surface`."""

from __future__ import annotations

from qwen_bridge.events import StreamEvent
from qwen_bridge.messages import ChatRequest
from qwen_bridge.stage import Stage
from qwen_bridge.surfaces.chat_completions import request as chat_request
from qwen_bridge.surfaces.chat_completions.body import BodyEncoder
from qwen_bridge.surfaces.chat_completions.stream import StreamEncoder
from qwen_bridge.surfaces.surface import AnswerHead


class ChatCompletions:
    """`POST /v1/chat/completions`; holds no state, one instance serves all."""

    __slots__ = ()

    id_prefix = "chatcmpl-"

    def parse(self, body: bytes) -> ChatRequest:
        """See `request.parse`."""
        return chat_request.parse(body)

    def encoder(self, head: AnswerHead, request: ChatRequest) -> Stage[StreamEvent, bytes]:
        """A `StreamEncoder` for `request.stream`, else a `BodyEncoder`."""
        if request.stream:
            return StreamEncoder(head, include_usage=request.include_usage)
        return BodyEncoder(head)

    def content_type(self, request: ChatRequest) -> str:
        """As OpenAI's servers send it."""
        return "text/event-stream; charset=utf-8" if request.stream else "application/json"
