"""An answer that is told a second time without Qwen, and the one that is listened to so that it can be.

Both are exchanges like any other to whoever drives them. What is kept is what the client was told, behind every repair;
what is told again goes through the encoder of the new request, so it may be streamed where the first was whole, and has
an id and a time of its own. The pace is ours: a piece every fiftieth of a second, as models speak, and a long answer in
larger steps, so that none takes longer than `LONGEST`. The times at which the pieces first came tell of the load at
Qwen, not of the answer, and are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Final

from qwen_bridge.events import ReasoningDelta, ResponseEnded, StreamEvent, TextDelta, UsageReported
from qwen_bridge.exchange.answer_cache import OVERHEAD, KeptAnswer, weight
from qwen_bridge.exchange.deadlines import Terms
from qwen_bridge.exchange.effects import Again, Effect
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.telling import Kept
from qwen_bridge.messages import ChatRequest
from qwen_bridge.stage import Stage
from qwen_bridge.surfaces.surface import AnswerHead, Surface

STEP: Final = 0.02
"""Seconds from one step of a replay to the next."""

LONGEST: Final = 3.0
"""Seconds that the steps of a replay take in all, at most."""

type Parts = tuple[Surface, AnswerHead, Question, Terms, str]
"""What an `Exchange` is made of."""


def is_opening(request: ChatRequest) -> bool:
    """Whether the request begins a conversation: with an answer or a result in it, it continues one."""
    return bool(request.dialogue) and all(message.role == "user" for message in request.dialogue)


class Replay(Exchange):
    """The answer `kept`, told again. Its driver calls `go_on` in place of asking, and again as often as it is told."""

    def __init__(self, kept: KeptAnswer, *parts: *Parts) -> None:
        super().__init__(*parts)
        self.cache = "hit"
        self.question.decide({})  # it is an opening: there is nothing to look up
        self._events = kept.events
        self._at = 0
        pieces = len(self._events) if self.question.request.stream else 1
        self._stride = ceil(len(self._events) / min(pieces, LONGEST / STEP))

    def go_on(self) -> Sequence[Effect]:
        """The next step; an `Again` at the end says when the one after it is due."""
        if self.over:
            return ()
        self.held()
        due = self._events[self._at : self._at + self._stride]
        self._at += len(due)
        told = self._take(due)
        return told if self.over else [*told, Again(STEP)]

    def _ended(self, event: ResponseEnded, pending: bytes, *, worded: bool) -> Sequence[Effect]:
        """It was judged when it first came: nothing is asked again, and its node is remembered already."""
        self._telling.end(event)
        return self._close(Kept(self._telling, pending, ()))


class Overheard(Exchange):
    """An exchange whose answer is handed to `keep`, if it is one to keep, before its last bytes leave.

    Kept is only a whole answer in words: none that was cut, filtered or asked for again, none with a call in it, run or
    withheld (it was decided on a state of the world that is not today's), and none whose chat cannot be continued:
    the next turn of whoever hears it again goes on from there. `most` is in bytes.
    """

    def __init__(
        self,
        keep: Callable[[KeptAnswer], None],
        most: int,
        surface: Surface,
        *parts: *tuple[AnswerHead, Question, Terms, str],
    ) -> None:
        self._listening = _Listening(surface, most)
        super().__init__(self._listening, *parts)
        self.cache = "miss"
        self._keep = keep

    def _close(self, kept: Kept) -> Sequence[Effect]:
        effects = super()._close(kept)
        report = kept.telling.report
        in_text = self.question.tooling.client == "roo_xml"  # its answers are calls, in whatever words
        called = in_text or (report is not None and bool(report.calls or report.refused))
        events = self._listening.events
        if kept.commit and kept.telling.reason == "stop" and events and self.repeated is None and not called:
            self._keep(KeptAnswer(tuple(events)))
        return effects


class _Listening:
    """A surface whose encoders are listened to. `events` are those of the last one, none once they are too much."""

    def __init__(self, surface: Surface, most: int) -> None:
        self._surface = surface
        self._most = most
        self.events: list[StreamEvent] = []
        self.id_prefix = surface.id_prefix
        self.parse = surface.parse
        self.content_type = surface.content_type

    def encoder(self, head: AnswerHead, request: ChatRequest) -> Stage[StreamEvent, bytes]:
        self.events = []
        return _Listener(self._surface.encoder(head, request), self.events, self._most)


class _Listener:
    """Stage around an encoder that keeps what the encoder is told."""

    __slots__ = ("_events", "_inner", "_room")

    def __init__(self, inner: Stage[StreamEvent, bytes], events: list[StreamEvent], most: int) -> None:
        self._inner = inner
        self._events = events
        self._room = most - OVERHEAD

    def feed(self, item: StreamEvent, /) -> Sequence[bytes]:
        if isinstance(item, TextDelta | ReasoningDelta | UsageReported | ResponseEnded):
            self._room -= weight(item)
            if self._room >= 0:
                self._events.append(item)
            else:
                self._events.clear()
        return self._inner.feed(item)

    def close(self) -> Sequence[bytes]:
        return self._inner.close()
