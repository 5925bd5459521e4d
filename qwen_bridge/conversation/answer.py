"""The assistant's answer as the client will echo it in its next request.

It listens behind every repair: what counts is what the client was shown, not what Qwen wrote. Reasoning is left out,
for some clients send it back and others do not (clients.md §0.5). Outer white space stays; `canonical` decides on it.
"""

from __future__ import annotations

from typing import assert_never

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
from qwen_bridge.messages import Message, TextPart, ToolCall


class _Call:
    """A tool call while it comes in."""

    __slots__ = ("arguments", "ended", "id", "name")

    def __init__(self, started: ToolCallStarted) -> None:
        self.id = started.id
        self.name = started.name
        self.arguments: list[str] = []
        self.ended = False


class AnswerAccumulator:
    """Stream events in, one assistant message out. Linear: pieces are kept in a list and joined when asked for."""

    __slots__ = ("_calls", "_ending", "_text", "started", "text_length")

    def __init__(self) -> None:
        self.started: ResponseStarted | None = None
        """Where Qwen put the answer; None until it said so."""
        self.text_length = 0
        """Characters of text so far, reasoning and tool calls not counted."""
        self._text: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._ending: ResponseEnded | ResponseFailed | None = None

    def feed(self, event: StreamEvent) -> None:
        """Take the next event. A piece of a call that was never started is left out: no client was shown it."""
        match event:
            case TextDelta(text):
                self._text.append(text)
                self.text_length += len(text)
            case ToolCallStarted(index=index):
                self._calls[index] = _Call(event)
            case ToolCallDelta(index, arguments):
                if index in self._calls:
                    self._calls[index].arguments.append(arguments)
            case ToolCallEnded(index):
                if index in self._calls:
                    self._calls[index].ended = True
            case ResponseStarted():
                self.started = event
            case ResponseEnded() | ResponseFailed():
                self._ending = event
            case ReasoningDelta() | UsageReported():
                pass
            case _:
                assert_never(event)

    def going_on(self) -> AnswerAccumulator:
        """A new one for what is told behind this one, in the same message."""
        after = AnswerAccumulator()
        after._text, after._calls, after.text_length = [*self._text], dict(self._calls), self.text_length
        return after

    @property
    def line_open(self) -> bool:
        """Whether what is said next would stand on a line with what was said before."""
        return bool(self._text) and not self._text[-1].endswith("\n")

    @property
    def begun(self) -> bool:
        """Whether there is a word of text or a call; reasoning is none."""
        return bool(self.text_length or self._calls)

    @property
    def reason(self) -> FinishReason | None:
        """How the answer ended; None while it runs and after a failure."""
        return self._ending.reason if isinstance(self._ending, ResponseEnded) else None

    @property
    def complete(self) -> bool:
        """Whether the answer may become an anchor: it ended, was not filtered, and no tool call is left open.

        Such answers are no parents (reliability.md §C4.5): what the client saw is not what Qwen stored.
        """
        return self.reason not in (None, "content_filter") and all(call.ended for call in self._calls.values())

    def message(self) -> Message:
        """The answer so far as an assistant message: text and tool calls, in the order of their index."""
        text = "".join(self._text)
        calls = (ToolCall(c.id, c.name, "".join(c.arguments)) for _, c in sorted(self._calls.items()))
        return Message("assistant", (TextPart(text),) if text else (), tool_calls=tuple(calls))
