"""What every surface offers, and what every answer repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qwen_bridge.events import StreamEvent
from qwen_bridge.messages import ChatRequest
from qwen_bridge.stage import Stage


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """The fields that stay the same over a whole answer.

    `id` begins with the surface's `id_prefix`, `created` is in whole seconds since 1970, `model` is the client's own
    word for it: clients compare it with what they asked for.
    """

    id: str
    created: int
    model: str


class Surface(Protocol):
    """One API of OpenAI's, read and written."""

    @property
    def id_prefix(self) -> str:
        """What the ids of its answers begin with, e.g. `chatcmpl-`."""
        ...

    def parse(self, body: bytes) -> ChatRequest:
        """Read a request body; raises `RequestError` and nothing else."""
        ...

    def encoder(self, head: AnswerHead, request: ChatRequest) -> Stage[StreamEvent, bytes]:
        """The stage that writes the answer: pieces of an SSE stream for `request.stream`, else one JSON document."""
        ...

    def content_type(self, request: ChatRequest) -> str:
        """The `content-type` of what `encoder` writes."""
        ...
