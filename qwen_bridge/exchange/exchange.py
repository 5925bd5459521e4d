"""One request and its answer: what the client is told, what is remembered, and when Qwen is asked again.

The client has seen NOTHING, then perhaps the HEAD (a comment kept its connection alive), then WORDS, and it is OVER.
Until WORDS a fault can be recovered without the client's knowledge; until HEAD it can be a plain HTTP error; after
that it is an error event, and never an invented `finish_reason`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import replace

from qwen_bridge.errors import AnswerCutOff, BridgeError, ClientStalled, QwenRefused, WireError
from qwen_bridge.events import ResponseEnded, ResponseFailed, StreamEvent
from qwen_bridge.exchange import leftovers
from qwen_bridge.exchange.attempt import Attempt
from qwen_bridge.exchange.deadlines import Deadlines, Terms
from qwen_bridge.exchange.effects import Again, Begin, Commit, Data, Effect, End, Headers, Stop
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.repetition import Cause, cause_at_end
from qwen_bridge.exchange.reply import refusal
from qwen_bridge.exchange.telling import Kept, Telling
from qwen_bridge.exchange.tooling import intercepted, nothing_said, withheld
from qwen_bridge.exchange.trials import Trials
from qwen_bridge.qwen.renewal import for_learning
from qwen_bridge.recovery.policy import GiveUp, RestartChat, Retry
from qwen_bridge.sse.encoder import comment
from qwen_bridge.surfaces.surface import AnswerHead, Surface
from qwen_bridge.toolcalls.report import Report

KEEP_ALIVE = comment("keep-alive")


class _Shown(enum.IntEnum):
    NOTHING = 0
    HEAD = 1
    WORDS = 2
    OVER = 3


class Exchange:
    """One request and its answer.

    `question` is the way there; the methods are the way back. Each returns the effects to carry out, in order, and
    none raises for anything Qwen or the network did. After an `End` they return nothing. `request_id` is for
    `x-request-id` and the log.
    """

    def __init__(self, surface: Surface, head: AnswerHead, question: Question, terms: Terms, request_id: str) -> None:
        self.head = head
        self.question = question
        self.request_id = request_id
        self.trials = Trials(terms.policy, terms.jitter)
        self.told: BridgeError | None = None
        """The error that the client was told, in whatever form."""
        self.profile = ""
        """Name of the Qwen session it uses; empty for the one of the settings."""
        self.notes: Headers = ()
        """Headers for the client that the answer has no part in."""
        self.standing = ""
        """Its place in the queue, or how long it had one, for the client; empty when it never waited."""
        self.repeated: Cause | None = None
        """Why the bridge asked for the answer once more; None when it did not."""
        self.cache = ""
        """`hit` for an answer from memory, `miss` for one that may be kept there; see `replay`."""
        self.rests: Callable[[BridgeError], float | None] = lambda _: None
        """For how many seconds its session will rest after an error, if it will."""
        self.reports: list[Report] = []
        """What became of the calls of an answer that was asked for once more."""
        self._surface = surface
        self._shown = _Shown.NOTHING
        self._first: Kept | None = None
        self._below = False  # whether the client sees the first answer, and a call is asked for behind it
        self._deadlines = Deadlines(terms)
        self._learning = terms.learning
        self._encoder = surface.encoder(head, question.request)
        self._start_attempt()

    # -- what happened upstream -------------------------------------------------------------------------------------

    def sent(self) -> None:
        """The question is on its way: from now on Qwen may be writing an answer."""
        self._sent = True

    def responded(self, status: int, headers: Headers) -> Sequence[Effect]:
        """Qwen's status and headers arrived; names in lower case."""
        self._deadlines.qwen.broken()
        return self._take(self._attempt.responded(status, headers))

    def feed(self, data: bytes) -> Sequence[Effect]:
        """Bytes of Qwen's body arrived."""
        self._deadlines.qwen.broken()
        return self._take(self._attempt.feed(data))

    def finished(self) -> Sequence[Effect]:
        """Qwen's body ended as HTTP says it should."""
        return self._take(self._attempt.finished())

    def lost(self) -> Sequence[Effect]:
        """The connection broke after the request was sent."""
        return self._take(self._attempt.lost())

    def failed(self, error: BridgeError) -> Sequence[Effect]:
        """The attempt failed before, or without, any answer; the policy says whether there is another."""
        if self.over:
            return ()
        # The site may not take tools on its own channel: then they travel as text.
        another_way = isinstance(error, QwenRefused) and not self.worded and self.question.leave_channel()
        shown = self._worded if self._below else self.worded  # of what is asked for below it, nothing may be shown yet
        decision = self.trials.failed(error, shown=shown, another_way=another_way)
        if self._below and self._first is not None and not isinstance(decision, Retry):
            return [*self._stop(error), *self._close(self._first.ended_by(self._telling))]
        match decision:
            case Retry(delay):
                stop = self._stop(error)
                adrift = self._sent and not stop and isinstance(error, WireError)
                self._start_attempt(pause=delay, adrift=adrift)
                return [*stop, Again(delay)]
            case RestartChat():
                return self._restart(error)
            case GiveUp() if self._first is not None and not self._worded:
                return [*self._stop(error), *self._forget(error), *self._close(self._first)]
            case GiveUp(final):
                return [*self._forget(error), *self.refuse(final)]

    # -- time and the client ----------------------------------------------------------------------------------------

    def tick(self, now: float) -> Sequence[Effect]:
        """Some time passed; `now` is in seconds on a clock that never jumps. To be called every second or so."""
        if self.over:
            return ()
        late = self._deadlines.passed(now, waiting=self._attempt.waiting)
        if late is not None:
            return self.failed(late)
        if self.question.request.stream and self._deadlines.client_waits(now):
            waiting = self.standing.startswith("queued")
            return self._tell(comment(self.standing) if waiting else KEEP_ALIVE, _Shown.HEAD)
        return ()

    def held(self) -> None:
        """The attempt waits here, not for Qwen: its silence is not counted."""
        self._deadlines.qwen.broken()

    def unread(self, seconds: float) -> Sequence[Effect]:
        """What was told lies unread, and nothing of it was taken for `seconds`: Qwen is held back meanwhile."""
        return self.stalled() if self._deadlines.held_back(seconds) else ()

    def stalled(self) -> Sequence[Effect]:
        """The client does not read its answer."""
        return self.refuse(ClientStalled("The client did not read its answer, so it was ended. Ask again."))

    def refuse(self, error: BridgeError) -> Sequence[Effect]:
        """Tell the client no, in whatever form it can still take; there is no further attempt."""
        if self.over:
            return ()
        if error.retry_after is None:
            # The SDKs obey `x-should-retry: false` whatever stands here; who reads it for a person may say when.
            error.retry_after = self.rests(error)
        if self._learning:
            error.message = for_learning(error.message)
        self.told = error
        effects: Sequence[Effect]
        if self._shown is _Shown.NOTHING:
            effects = refusal(error, self._identity())
        else:
            effects = [*self._tell(b"".join(self._encoder.feed(ResponseFailed(error))), _Shown.WORDS), End()]
        self._shown = _Shown.OVER
        return effects

    def left(self) -> None:
        """The client has gone: nothing more is wanted, and what was said becomes no anchor; its question may."""
        self._shown = _Shown.OVER

    @property
    def unheard(self) -> Stop | None:
        """See `leftovers.unheard`."""
        return leftovers.unheard(self.told, self._telling, self.question.chat_id, sent=self._sent)

    @property
    def unanswered(self) -> Commit | None:
        """See `leftovers.unanswered`; for when the exchange is over."""
        return leftovers.unanswered(self.told, self._telling, self.question)

    @property
    def outcome(self) -> str:
        """How it ended, for the log: `complete`, the code of the fault the client was told, or `left`."""
        if self.told is not None:
            return self.told.code
        return "complete" if self._telling.reason is not None else "left"

    @property
    def worded(self) -> bool:
        """Whether the client has seen more of the answer than that it is alive."""
        return self._shown >= _Shown.WORDS

    @property
    def calls(self) -> Report | None:
        """What became of the tool calls of the answer; None where no tools were declared."""
        return self._telling.report

    @property
    def failures(self) -> Sequence[BridgeError]:
        """Every fault on the way, oldest first; `trials` has what was decided about them."""
        return self.trials.failures

    @property
    def over(self) -> bool:
        """Whether there is nothing more to tell the client."""
        return self._shown is _Shown.OVER

    # -- inside -----------------------------------------------------------------------------------------------------

    def _start_attempt(self, pause: float = 0.0, *, adrift: bool = False) -> None:
        self._deadlines.attempt(pause)
        self._sent = adrift  # what was lost before it opened may be written all the same
        tools = self.question.tooling.stage()
        self._attempt = Attempt(tools)
        if self._shown < _Shown.WORDS:  # else it was reasoning, and a stream goes on behind it
            self._encoder = self._surface.encoder(self.head, self.question.request)
        self._telling = Telling(tools, self._encoder, self._first.telling if self._below and self._first else None)

    def _restart(self, error: BridgeError) -> Sequence[Effect]:
        """The whole history goes to a new chat."""
        forget = self._forget(error)
        self.question.restart(error.code.removeprefix("qwen_"))
        self._start_attempt()
        return [*forget, Again(0.0)]

    def _stop(self, error: BridgeError) -> list[Effect]:
        return leftovers.stop(error, self.question.chat_id, self._telling.unfinished)

    def _forget(self, error: BridgeError) -> list[Effect]:
        return leftovers.forget(error, self.question.anchor)

    def _take(self, events: Sequence[StreamEvent]) -> Sequence[Effect]:
        """The hot path: events of the answer become bytes for the client."""
        if self.over:
            return ()
        worded, telling = self._worded, self._telling
        chunks: list[bytes] = []
        for event in events:
            match event:
                case ResponseFailed(error):
                    words = b"".join(chunks) if worded or not withheld(telling.tools) else b""
                    words += telling.sentences() if worded and not self._below else b""
                    return [*self._tell(words, _Shown.WORDS), *self.failed(error)]
                case ResponseEnded():
                    return self._ended(event, b"".join(chunks), worded=worded)
            chunks.extend(telling.take(event))
        if not worded and self.repeated is None and intercepted(telling.tools):
            stop = self._stop(AnswerCutOff("The bridge wants no more of it."))
            return [*stop, *self._repeat(Cause.INTERCEPTED)]
        return self._tell(b"".join(chunks), _Shown.WORDS)

    def _ended(self, event: ResponseEnded, pending: bytes, *, worded: bool) -> Sequence[Effect]:
        """The answer is complete; `pending` are bytes of it that the client has not been told, `worded` as above."""
        telling = self._telling
        report = telling.report
        if telling.begun:
            telling.end(event)
        if report is not None:
            self.question.tooling.learn(report)
        kept = Kept(telling, pending, leftovers.commits(telling, self.question)) if telling.begun else None
        if report is not None and self.repeated is None:
            cause = cause_at_end(report, self.question.request.tool_choice)
            if cause is not None and not worded:
                return self._repeat(cause, kept)
            if cause is Cause.NOT_WHOLE and kept is not None and telling.open_to_more:
                self._below = True
                return [*self._tell(pending, _Shown.WORDS), *self._repeat(cause, replace(kept, pending=b""))]
        return self.failed(nothing_said(report)) if kept is None else self._close(kept)

    def _close(self, kept: Kept) -> Sequence[Effect]:
        """A complete answer goes to the client, as far as it has not."""
        self._telling = kept.telling
        told = self._tell(kept.pending, _Shown.WORDS)
        effects = [*told, *kept.commit, *self._last(kept.telling.last(self.question.request_bytes)), End()]
        self._shown = _Shown.OVER
        return effects

    @property
    def _worded(self) -> bool:
        """Whether the client has seen a word of this answer; reasoning is none."""
        return self.question.request.stream and self._telling.begun

    def _repeat(self, cause: Cause, kept: Kept | None = None) -> Sequence[Effect]:
        """Ask once more for a better answer (`repetition`); `kept` is for the client if there will be none."""
        report = self._telling.report
        assert report is not None
        self.repeated, self._first = cause, kept
        self.reports.append(report)
        self.question.repeat(cause, report, self._telling.node if self._below else None)
        self._start_attempt()
        return [Again(0.0)]

    def _last(self, data: bytes) -> Sequence[Effect]:
        """The last bytes: the rest of a stream, or the one document, whose length is known now."""
        if self.question.request.stream:
            return self._tell(data, _Shown.WORDS)
        return [Begin(200, self._headers(("content-length", str(len(data))))), Data(data)]

    def _tell(self, data: bytes, level: _Shown) -> list[Effect]:
        if not data:
            return []
        self._deadlines.client.broken()
        before, self._shown = self._shown, max(self._shown, level)
        if before is _Shown.NOTHING:
            return [Begin(200, self._headers(("cache-control", "no-cache"))), Data(data)]
        return [Data(data)]

    def _headers(self, *more: tuple[str, str]) -> Headers:
        return (("content-type", self._surface.content_type(self.question.request)), *more, *self._identity())

    def _identity(self) -> Headers:
        queue = (("x-qwen-bridge-queue", self.standing),) if self.standing else ()
        route = ("x-qwen-bridge-conversation", self.question.route)
        return (("x-request-id", self.request_id), route, *queue, *self.notes)
