"""One attempt's answer from Qwen: status, headers and bytes in, neutral events out.

::

    ASKING ──responded: 200 and an event stream──▶ OPENING ──first byte──▶ ANSWERING ──▶ events of the answer
       └─────responded: anything else────────────────▶ REFUSING ◀──┘ of JSON or HTML
                                                          └──finished──▶ ResponseFailed, classified

Whatever goes wrong here becomes a `ResponseFailed` event; nothing is raised.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from http import HTTPStatus

from qwen_bridge.errors import AnswerCutOff, BridgeError, ConnectionLost
from qwen_bridge.events import ResponseEnded, ResponseFailed, StreamEvent
from qwen_bridge.exchange.effects import Headers
from qwen_bridge.exchange.inflate import ContentDecoder
from qwen_bridge.qwen.decoder import QwenDecoder
from qwen_bridge.qwen.faults import classify, is_event_stream
from qwen_bridge.sse.decoder import SSEDecoder
from qwen_bridge.stage import Pipeline, Stage

REFUSAL_LIMIT = 64 * 1024
"""Bytes kept of an answer that is not a stream: error bodies are short, challenge pages are told by their beginning."""


class _Phase(enum.Enum):
    ASKING = enum.auto()
    OPENING = enum.auto()
    REFUSING = enum.auto()
    ANSWERING = enum.auto()


class Attempt:
    """The way of one answer from Qwen's bytes to events. `tools` is the stage that reads its tool calls."""

    __slots__ = ("_body", "_decoder", "_head", "_inflate", "_phase")

    def __init__(self, tools: Stage[StreamEvent, StreamEvent]) -> None:
        self._phase = _Phase.ASKING
        self._inflate = ContentDecoder("")
        self._decoder: Stage[bytes, StreamEvent] = Pipeline(SSEDecoder(keep_last=True), QwenDecoder(), tools)
        self._head: tuple[int, Headers] = (0, ())
        self._body = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether Qwen has not even sent its status."""
        return self._phase is _Phase.ASKING

    def responded(self, status: int, headers: Headers) -> Sequence[StreamEvent]:
        """Qwen's status and headers; names in lower case."""
        self._head = (status, headers)
        fields = dict(headers)
        streams = status == 200 and is_event_stream(fields.get("content-type", ""))
        self._phase = _Phase.OPENING if streams else _Phase.REFUSING
        encodings = (value for name, value in headers if name == "content-encoding")
        try:
            self._inflate = ContentDecoder(",".join(encodings))
        except BridgeError as error:
            return [ResponseFailed(error)]
        return ()

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Bytes of Qwen's body."""
        try:
            pieces = self._inflate.feed(data)
        except BridgeError as error:
            return [ResponseFailed(error)]
        if self._phase is _Phase.OPENING:
            pieces = self._opened(b"".join(pieces))
        if self._phase is _Phase.ANSWERING:
            return [event for piece in pieces for event in self._decoder.feed(piece)]
        for piece in pieces:
            self._body += piece[: REFUSAL_LIMIT - len(self._body)]
        return ()

    def finished(self) -> Sequence[StreamEvent]:
        """The body ended as HTTP says it should."""
        if self._phase in (_Phase.OPENING, _Phase.ANSWERING):
            return self._decoder.close()
        status, headers = self._head
        return [ResponseFailed(classify(status, headers, bytes(self._body)))]

    def lost(self) -> Sequence[StreamEvent]:
        """The connection broke after the request was sent."""
        status, headers = self._head
        if self._phase is _Phase.REFUSING and status != HTTPStatus.OK:
            return [ResponseFailed(classify(status, headers, bytes(self._body)))]  # the status alone says no
        if self._phase not in (_Phase.OPENING, _Phase.ANSWERING):
            sentence = "Qwen closed the connection without an answer. Check your network and try again."
            return [ResponseFailed(ConnectionLost(sentence))]
        events = self._decoder.close()
        if any(isinstance(event, ResponseEnded) for event in events):
            return events  # Qwen had said that it was finished: what broke was only the goodbye.
        sentence = "The connection to Qwen broke in the middle of the answer. Ask again."
        return [*events[:-1], ResponseFailed(AnswerCutOff(sentence))]

    def _opened(self, data: bytes) -> Sequence[bytes]:
        """What to read now that `data` has come: nothing until a first byte tells a stream from a refusal.

        Refusals were reported under the content type of a stream, too, and no event begins like JSON or HTML.
        """
        self._body += data
        start = bytes(self._body.lstrip()[:1])
        if not start and len(self._body) < REFUSAL_LIMIT:
            return ()
        self._phase = _Phase.REFUSING if start in (b"{", b"<") else _Phase.ANSWERING
        held, self._body = bytes(self._body), bytearray()
        return [held]
