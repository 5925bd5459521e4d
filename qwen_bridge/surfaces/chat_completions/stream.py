"""`StreamEvent`s → the server-sent chunks of a streamed Chat Completion.

In order, as OpenAI's own servers send them::

    delta {"role":"assistant","content":"","refusal":null}     with the first visible event, not before
    delta {"reasoning_content":"…"}*  {"content":"…"}*  {"tool_calls":[…]}*
    delta {} with the finish_reason
    choices [] with the usage                                  when the request asked for it
    [DONE]

States::

    SILENT ──visible──▶ SPEAKING ──ResponseEnded──▶ OVER
       └─────────────────────┴──ResponseFailed, close──▶ OVER

A failure is `data: {"error": {…}}` and nothing after it: no finish_reason, no `[DONE]`. Both SDKs and Roo Code raise
on it, while a stream that merely ends counts as complete for them, and half a tool call in it is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import assert_never

import orjson

from qwen_bridge.errors import AnswerCutOff, BridgeError
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
from qwen_bridge.sse.encoder import DONE, encode
from qwen_bridge.surfaces.chat_completions.ending import UNKNOWN_USAGE, finish_reason, usage_object
from qwen_bridge.surfaces.json_text import json_text
from qwen_bridge.surfaces.surface import AnswerHead

_GAP = b"\x00"
"""Marks the place of a value in a template. JSON escapes NUL, so it stands nowhere else."""


class _State(Enum):
    SILENT = auto()
    SPEAKING = auto()
    OVER = auto()


class StreamEncoder:
    """Writes one answer as a stream; a `Stage[StreamEvent, bytes]`.

    Each piece of bytes it returns is one or more whole events. `ResponseStarted`, `UsageReported`, `ToolCallEnded` and
    empty deltas write nothing, so an answer with nothing in it can still become an HTTP error. An answer that ends
    without a visible event is a legal stream with an empty content. A `close` before the terminal event says
    `qwen_answer_cut_off`. Events after the terminal one are not written.
    """

    __slots__ = ("_chunk", "_include_usage", "_reasoning", "_state", "_text", "_usage", "_usage_chunk", "_with_calls")

    def __init__(self, head: AnswerHead, *, include_usage: bool) -> None:
        common = b'{"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"system_fingerprint":null,' % (
            json_text(head.id),
            head.created,
            json_text(head.model),
        )
        choice = b'"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]'
        end = b',"usage":null}' if include_usage else b"}"
        self._chunk = _pieces(common + choice % (_GAP, _GAP) + end)
        self._text = _pieces(common + choice % (b'{"content":%b}' % _GAP, b"null") + end)
        self._reasoning = _pieces(common + choice % (b'{"reasoning_content":%b}' % _GAP, b"null") + end)
        self._usage_chunk = _pieces(common + b'"choices":[],"usage":%b}' % _GAP)
        self._include_usage = include_usage
        self._usage = UNKNOWN_USAGE
        self._with_calls = False
        self._state = _State.SILENT

    def feed(self, item: StreamEvent, /) -> Sequence[bytes]:
        if self._state is _State.OVER:
            return ()
        match item:
            case TextDelta(text):
                return self._speak(self._text, json_text(text)) if text else ()
            case ReasoningDelta(text):
                return self._speak(self._reasoning, json_text(text)) if text else ()
            case ToolCallDelta() | ToolCallStarted():
                return self._tool(item)
            case UsageReported(usage):
                self._usage = usage
                return ()
            case ResponseStarted() | ToolCallEnded():
                return ()
            case ResponseEnded(reason):
                return self._end(reason)
            case ResponseFailed(error):
                return self._fail(error)
            case _:
                assert_never(item)

    def close(self) -> Sequence[bytes]:
        if self._state is _State.OVER:
            return ()
        return self._fail(AnswerCutOff("The answer broke off before its end; what came is not complete."))

    def _speak(self, template: list[bytes], value: bytes) -> Sequence[bytes]:
        chunk = value.join(template)
        if self._state is _State.SPEAKING:
            return (chunk,)
        return (self._opening() + chunk,)

    def _opening(self) -> bytes:
        """The role chunk, once."""
        if self._state is _State.SPEAKING:
            return b""
        self._state = _State.SPEAKING
        return self._written(b'{"role":"assistant","content":"","refusal":null}')

    def _tool(self, event: ToolCallStarted | ToolCallDelta) -> Sequence[bytes]:
        """Id, type and name come once, with empty arguments; the arguments follow by index alone."""
        match event:
            case ToolCallStarted(index, call_id, name):
                self._with_calls = True
                call = b'"id":%b,"type":"function","function":{"name":%b,"arguments":""}' % (
                    json_text(call_id),
                    json_text(name),
                )
            case ToolCallDelta(index, arguments):
                if not arguments:
                    return ()
                call = b'"function":{"arguments":%b}' % json_text(arguments)
        return (self._opening() + self._written(b'{"tool_calls":[{"index":%d,%b}]}' % (index, call)),)

    def _end(self, reason: FinishReason) -> Sequence[bytes]:
        pieces = [
            self._opening(),
            self._written(b"{}", b'"%b"' % finish_reason(reason, calls=self._with_calls).encode()),
        ]
        if self._include_usage:
            pieces.append(orjson.dumps(usage_object(self._usage)).join(self._usage_chunk))
        pieces.append(DONE)
        self._state = _State.OVER
        return (b"".join(pieces),)

    def _fail(self, error: BridgeError) -> Sequence[bytes]:
        self._state = _State.OVER
        # Qwen's own words may stand in it, so each text takes the road that cannot fail.
        fields = {key: text and orjson.Fragment(json_text(text)) for key, text in error.envelope()["error"].items()}
        return (encode(orjson.dumps({"error": fields})),)

    def _written(self, delta: bytes, reason: bytes = b"null") -> bytes:
        before, between, after = self._chunk
        return b"".join((before, delta, between, reason, after))


def _pieces(template: bytes) -> list[bytes]:
    """An encoded event cut at its gaps. Framing and constant fields are written once for each answer, not per delta."""
    return encode(template).split(_GAP)
