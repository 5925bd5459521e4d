"""One request and its answer: what the client is told, what is remembered, and when Qwen is asked again.

The client has seen NOTHING, then perhaps the HEAD (a comment kept its connection alive), then WORDS, and it is OVER.
Until WORDS a fault can be recovered without the client's knowledge; until HEAD it can be a plain HTTP error; after
that it is an error event, and never an invented `finish_reason`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qwen_bridge.conversation.answer import AnswerAccumulator
from qwen_bridge.errors import BridgeError, ChatGone, EmptyAnswer, ParentRefused, QwenTimeout
from qwen_bridge.events import ResponseEnded, ResponseFailed, ResponseStarted, StreamEvent, Usage, UsageReported
from qwen_bridge.exchange.attempt import Attempt
from qwen_bridge.exchange.effects import Again, Begin, Data, Effect, End, Forget, Headers
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.reply import refusal
from qwen_bridge.exchange.silence import Silence
from qwen_bridge.exchange.tooling import report_of
from qwen_bridge.recovery.policy import Decision, GiveUp, Progress, RecoveryPolicy, RestartChat, Retry
from qwen_bridge.sse.encoder import comment
from qwen_bridge.surfaces.surface import AnswerHead, Surface
from qwen_bridge.toolcalls.report import Report

KEEP_ALIVE = comment("keep-alive")


class _Shown(enum.IntEnum):
    NOTHING = 0
    HEAD = 1
    WORDS = 2
    OVER = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What every exchange of one configuration keeps to.

    The silences are in seconds: Qwen's before its answer and within it, and ours to the client. `jitter` gives a number
    from 0 to 1 that spreads the waits of many clients.
    """

    policy: RecoveryPolicy
    first_byte: float
    idle: float
    keepalive: float
    jitter: Callable[[], float]


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
        self.failures: list[BridgeError] = []
        self.decisions: list[Decision] = []
        """What was decided about each of the failures."""
        self.told: BridgeError | None = None
        """The error that the client was told, in whatever form."""
        self.standing = ""
        """Its place in the queue, or how long it had one, for the client; empty when it never waited."""
        self._surface = surface
        self._terms = terms
        self._shown = _Shown.NOTHING
        self._waited = 0.0
        self._restarted = False
        self._qwen = Silence()
        self._client = Silence()
        self._start_attempt()

    # -- what happened upstream -------------------------------------------------------------------------------------

    def responded(self, status: int, headers: Headers) -> Sequence[Effect]:
        """Qwen's status and headers arrived; names in lower case."""
        self._qwen.broken()
        return self._take(self._attempt.responded(status, headers))

    def feed(self, data: bytes) -> Sequence[Effect]:
        """Bytes of Qwen's body arrived."""
        self._qwen.broken()
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
        self.failures.append(error)
        decision = self._terms.policy.decide(error, self._progress(error), self._terms.jitter())
        self.decisions.append(decision)
        match decision:
            case Retry(delay):
                self._waited += delay
                self._start_attempt(pause=delay)
                return [Again(delay)]
            case RestartChat():
                return self._restart(error)
            case GiveUp(final):
                return [*self._forget(error), *self.refuse(final)]

    # -- time and the client ----------------------------------------------------------------------------------------

    def tick(self, now: float) -> Sequence[Effect]:
        """Some time passed; `now` is in seconds on a clock that never jumps. To be called every second or so."""
        if self.over:
            return ()
        limit = self._pause + self._terms.first_byte if self._attempt.waiting else self._terms.idle
        if self._qwen.seconds(now) >= limit:
            return self.failed(QwenTimeout(f"Qwen said nothing for {limit:g} seconds. Try again."))
        if self._client.seconds(now) >= self._terms.keepalive and self.question.request.stream:
            waiting = self.standing.startswith("queued")
            return self._tell(comment(self.standing) if waiting else KEEP_ALIVE, _Shown.HEAD)
        return ()

    def held(self) -> None:
        """The attempt waits here, not for Qwen: its silence is not counted."""
        self._qwen.broken()

    def refuse(self, error: BridgeError) -> Sequence[Effect]:
        """Tell the client no, in whatever form it can still take; there is no further attempt."""
        if self.over:
            return ()
        self.told = error
        effects: Sequence[Effect]
        if self._shown is _Shown.NOTHING:
            effects = refusal(error, self._identity())
        else:
            effects = [*self._tell(b"".join(self._encoder.feed(ResponseFailed(error))), _Shown.WORDS), End()]
        self._shown = _Shown.OVER
        return effects

    def left(self) -> None:
        """The client has gone: nothing more is wanted, and what was said becomes no anchor."""
        self._shown = _Shown.OVER

    @property
    def unfinished(self) -> ResponseStarted | None:
        """The answer that Qwen may still be writing although nobody listens; None when it said that it had ended.

        Its chat stays busy ("The chat is in progress!") until it ends by itself or is stopped.
        """
        return self._answer.started if self._answer.reason is None else None

    @property
    def outcome(self) -> str:
        """How it ended, for the log: `complete`, the code of the fault the client was told, or `left`."""
        if self.told is not None:
            return self.told.code
        return "complete" if self._answer.reason is not None else "left"

    @property
    def worded(self) -> bool:
        """Whether the client has seen more of the answer than that it is alive."""
        return self._shown >= _Shown.WORDS

    @property
    def calls(self) -> Report | None:
        """What became of the tool calls of the answer; None where no tools were declared."""
        return report_of(self._tools)

    @property
    def over(self) -> bool:
        """Whether there is nothing more to tell the client."""
        return self._shown is _Shown.OVER

    # -- inside -----------------------------------------------------------------------------------------------------

    def _start_attempt(self, pause: float = 0.0) -> None:
        self._qwen.broken()
        self._pause = pause  # the wait before the attempt; Qwen is not even asked in it
        self._tools = self.question.tooling.stage()
        self._attempt = Attempt(self._tools)
        self._encoder = self._surface.encoder(self.head, self.question.request)
        self._answer = AnswerAccumulator()
        self._counted = False

    def _restart(self, error: BridgeError) -> Sequence[Effect]:
        """The whole history goes to a new chat."""
        forget = self._forget(error)
        self._restarted = True
        self.question.restart(error.code.removeprefix("qwen_"))
        self._start_attempt()
        return [*forget, Again(0.0)]

    def _forget(self, error: BridgeError) -> list[Effect]:
        """A node that Qwen refused is not tried again by anybody."""
        anchor = self.question.anchor
        if anchor is None or not isinstance(error, ParentRefused | ChatGone):
            return []
        return [Forget(anchor, isinstance(error, ChatGone))]

    def _progress(self, error: BridgeError) -> Progress:
        others = (i for i, earlier in enumerate(reversed(self.failures)) if type(earlier) is not type(error))
        return Progress(
            failures=len(self.failures),
            same=next(others, len(self.failures)),
            waited=self._waited,
            shown=self._shown >= _Shown.WORDS,
            restarted=self._restarted,
        )

    def _take(self, events: Sequence[StreamEvent]) -> Sequence[Effect]:
        """The hot path: events of the answer become bytes for the client."""
        if self.over:
            return ()
        chunks: list[bytes] = []
        for event in events:
            match event:
                case ResponseFailed(error):
                    return [*self._tell(b"".join(chunks), _Shown.WORDS), *self.failed(error)]
                case ResponseEnded():
                    return [*self._tell(b"".join(chunks), _Shown.WORDS), *self._ended(event)]
                case UsageReported():
                    self._counted = True
            self._answer.feed(event)
            chunks.extend(self._encoder.feed(event))
        return self._tell(b"".join(chunks), _Shown.WORDS)

    def _ended(self, event: ResponseEnded) -> Sequence[Effect]:
        message = self._answer.message()
        if not (message.text or message.tool_calls):
            return self.failed(EmptyAnswer("Qwen sent an empty answer. Ask again, or shorten the conversation."))
        closing: list[StreamEvent] = [event] if self._counted else [UsageReported(self._estimate()), event]
        rest = b"".join(chunk for item in closing for chunk in self._encoder.feed(item))
        rest += b"".join(self._encoder.close())
        self._answer.feed(event)
        report = report_of(self._tools)
        # A call that was not run is told to the client and not to Qwen: the next turn branches off before it.
        whole = self._answer.complete and not (report is not None and report.withheld)
        started = self._answer.started if whole else None
        commit = self.question.commit(started, message) if started is not None else None
        effects = [*([commit] if commit is not None else []), *self._last(rest), End()]
        self._shown = _Shown.OVER
        return effects

    def _last(self, data: bytes) -> Sequence[Effect]:
        """The last bytes: the rest of a stream, or the one document, whose length is known now."""
        if self.question.request.stream:
            return self._tell(data, _Shown.WORDS)
        return [Begin(200, self._headers(("content-length", str(len(data))))), Data(data)]

    def _tell(self, data: bytes, level: _Shown) -> list[Effect]:
        if not data:
            return []
        self._client.broken()
        before, self._shown = self._shown, max(self._shown, level)
        if before is _Shown.NOTHING:
            return [Begin(200, self._headers(("cache-control", "no-cache"))), Data(data)]
        return [Data(data)]

    def _headers(self, *more: tuple[str, str]) -> Headers:
        return (("content-type", self._surface.content_type(self.question.request)), *more, *self._identity())

    def _identity(self) -> Headers:
        queue = (("x-qwen-bridge-queue", self.standing),) if self.standing else ()
        return (("x-request-id", self.request_id), ("x-qwen-bridge-conversation", self.question.route), *queue)

    def _estimate(self) -> Usage:
        """Tokens when Qwen counted none: a quarter of the bytes asked and of the characters answered.

        Roo, Cline and opencode decide from these numbers when to condense; none at all would stop them doing it.
        """
        return Usage(prompt=self.question.request_bytes // 4 + 1, completion=self._answer.text_length // 4 + 1)
