"""One attempt's answer on its way to the client: its events, the bytes they become, and what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qwen_bridge.conversation.answer import AnswerAccumulator
from qwen_bridge.events import FinishReason, ResponseEnded, ResponseStarted, StreamEvent, Usage, UsageReported
from qwen_bridge.exchange.effects import Effect
from qwen_bridge.exchange.tooling import report_of
from qwen_bridge.messages import Message
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls.report import Report


class Telling:
    """`tools` is the stage that reads the attempt's calls, `encoder` the one that writes for the client."""

    __slots__ = ("_answer", "_counted", "encoder", "tools")

    def __init__(self, tools: Stage[StreamEvent, StreamEvent], encoder: Stage[StreamEvent, bytes]) -> None:
        self.tools = tools
        self.encoder = encoder
        self._answer = AnswerAccumulator()
        self._counted = False

    def take(self, event: StreamEvent) -> Sequence[bytes]:
        """An event that does not end the answer."""
        if isinstance(event, UsageReported):
            self._counted = True
        self._answer.feed(event)
        return self.encoder.feed(event)

    def end(self, event: ResponseEnded) -> None:
        """The answer is complete: what is asked about it from now on is final."""
        self._answer.feed(event)

    def last(self, request_bytes: int) -> bytes:
        """The bytes that end it, once it is complete.

        Tokens that Qwen did not count are a quarter of the bytes asked and of the characters answered: Roo, Cline and
        opencode decide from these numbers when to condense; none at all would stop them doing it.
        """
        estimate = Usage(prompt=request_bytes // 4 + 1, completion=self._answer.text_length // 4 + 1)
        event = ResponseEnded(self.reason or "stop")
        closing: list[StreamEvent] = [event] if self._counted else [UsageReported(estimate), event]
        rest = b"".join(chunk for item in closing for chunk in self.encoder.feed(item))
        return rest + b"".join(self.encoder.close())

    @property
    def begun(self) -> bool:
        """Whether there is a word of text or a call; reasoning is none."""
        return self._answer.begun

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
        """Where it was asked; None until Qwen has said so."""
        return self._answer.started

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
        """The answer as the client will echo it."""
        return self._answer.message()


@dataclass(frozen=True, slots=True)
class Kept:
    """A complete answer, that may have to wait while a better one is asked for.

    `pending` are its bytes that the client was not told yet, `commit` says where it lies.
    """

    telling: Telling
    pending: bytes
    commit: Sequence[Effect]
