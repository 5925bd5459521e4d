"""One attempt's answer on its way to the client: its events, the bytes they become, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qwen_bridge.conversation.answer import AnswerAccumulator
from qwen_bridge.events import (
    FinishReason,
    Notice,
    ResponseEnded,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
)
from qwen_bridge.exchange.effects import Effect
from qwen_bridge.exchange.tooling import report_of
from qwen_bridge.messages import Message
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls.report import Report


class Telling:
    """`tools` is the stage that reads the attempt's calls, `encoder` the one that writes for the client.

    `before` is an answer that is shown already, and that this one goes on with in the same message: it was asked for
    the call that the other one lacks (`repetition`).
    """

    __slots__ = ("_answer", "_before", "_counted", "_gap", "_notices", "_own", "encoder", "tools")

    def __init__(
        self,
        tools: Stage[StreamEvent, StreamEvent],
        encoder: Stage[StreamEvent, bytes],
        before: Telling | None = None,
    ) -> None:
        self.tools = tools
        self.encoder = encoder
        self._before = before
        self._answer: AnswerAccumulator = AnswerAccumulator() if before is None else before._answer.going_on()
        self._gap = "\n\n" if self._answer.line_open else ""
        self._notices: list[Notice] = []
        self._own = False
        self._counted = False

    def take(self, event: StreamEvent) -> Sequence[bytes]:
        """An event that does not end the answer. Sentences of the bridge are held: the call may yet come."""
        if type(event) is Notice:
            self._notices.append(event)
            return ()
        held = self._let_go() if self._notices else ()
        return [*held, *self._pass(event)] if held else self._pass(event)

    def _pass(self, event: StreamEvent) -> Sequence[bytes]:
        if isinstance(event, UsageReported):
            self._counted = True
        elif isinstance(event, TextDelta):
            if not event.text.strip() and self._before is not None and not self._own:
                return ()  # blanks in front of the second answer; what separates it from the first is the gap
            event = TextDelta(self._gap + event.text) if self._gap else event
            self._gap, self._own = "", True
        elif isinstance(event, ToolCallStarted):
            self._own = True
        self._answer.feed(event)
        return self.encoder.feed(event)

    def _let_go(self) -> Sequence[bytes]:
        held, self._notices = self._notices, []
        return [chunk for notice in held for chunk in self._pass(TextDelta(notice.text))]

    def sentences(self) -> bytes:
        """The sentences that were held, if there are any."""
        return b"".join(self._let_go())

    def end(self, event: ResponseEnded) -> None:
        """The answer is complete: what is asked about it from now on is final.

        Where the model was asked for a call and gave none, the sentence about the one that it gave before is due.
        """
        self._answer.feed(event)
        report = self.report
        if self._before is not None and report is not None and not report.calls:
            gap = "\n\n" if self._answer.line_open else ""
            self._notices = [Notice(gap + notice.text.lstrip("\n")) for notice in self._before._notices]

    def last(self, request_bytes: int) -> bytes:
        """The bytes that end it, once it is complete.

        Tokens that Qwen did not count are a quarter of the bytes asked and of the characters answered: Roo, Cline and
        opencode decide from these numbers when to condense; none at all would stop them doing it.
        """
        estimate = Usage(prompt=request_bytes // 4 + 1, completion=self._answer.text_length // 4 + 1)
        event = ResponseEnded(self.reason or "stop")
        closing: list[StreamEvent] = [event] if self._counted else [UsageReported(estimate), event]
        rest = self.sentences() + b"".join(chunk for item in closing for chunk in self.encoder.feed(item))
        return rest + b"".join(self.encoder.close())

    @property
    def begun(self) -> bool:
        """Whether there is a word of text or a call; reasoning is none, and neither is what was told before it."""
        return self._own or bool(self._notices)

    @property
    def shown(self) -> bool:
        """Whether the client's message has begun, by this answer or the one before it."""
        return self.begun or self._answer.begun

    @property
    def reason(self) -> FinishReason | None:
        """How it ended; None before that."""
        return self._answer.reason

    @property
    def unfinished(self) -> ResponseStarted | None:
        """Where Qwen may still be writing it; None when it said that it had ended."""
        return self._answer.started if self.reason is None else None

    @property
    def question(self) -> ResponseStarted | None:
        """Where the client's question lies; None until Qwen has said so."""
        return self._before.question if self._before is not None else self._answer.started

    @property
    def node(self) -> ResponseStarted | None:
        """Where this answer lies, whatever it is; None until Qwen has said so."""
        return self._answer.started

    @property
    def open_to_more(self) -> bool:
        """Whether Qwen may be asked for more of it, below it."""
        return self.node is not None and bool(self.node.response_id) and self.reason != "content_filter"

    @property
    def place(self) -> ResponseStarted | None:
        """Where it lies, if the next turn may go on from it.

        A call that was not run is told to the client and not to Qwen: the next turn goes on from the question.
        """
        report = self.report
        whole = self._answer.complete and not (report is not None and report.withheld)
        return self._answer.started if whole else None

    @property
    def report(self) -> Report | None:
        """What became of its calls; None where no tools were declared."""
        return report_of(self.tools)

    def message(self) -> Message:
        """The answer as the client will echo it, with the sentences that are due."""
        whole = self._answer.going_on()
        for notice in self._notices:
            whole.feed(notice)
        return whole.message()


@dataclass(frozen=True, slots=True)
class Kept:
    """A complete answer, that may have to wait while a better one is asked for.

    `pending` are its bytes that the client was not told yet, `commit` says where it lies.
    """

    telling: Telling
    pending: bytes
    commit: Sequence[Effect]

    def ended_by(self, after: Telling) -> Kept:
        """This answer, which the client has seen, with its own end behind what was told `after` it."""
        after.end(ResponseEnded(self.telling.reason or "stop"))
        return replace(self, telling=after)
