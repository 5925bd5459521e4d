"""When the bridge asks Qwen once more for the same answer, of its own accord, and what it keeps meanwhile.

Four causes, at most one repetition in an exchange:

- a call was withheld, because it was cut off or cannot be read (`NOT_WHOLE`);
- the client demands a call (`tool_choice`), and none came (`NO_CALL`);
- the client forbids calls (`tool_choice: none`), and one came (`FORBIDDEN`);
- the site took the call for one of its own tools: "Tool X does not exists." (`INTERCEPTED`).

While the client has seen no word of the answer the repetition is a *sibling* of it: the same words to the same parent,
with a note of the bridge at their end (or, where the site intercepted, with the tools taught in another form). A
message of its own below the broken answer would leave half a call and a quarrel about it on the path of every later
turn: tokens, and an example to imitate. The price is that the new words are sent twice; a retry after a fault does the
same.

Where a client that streams has seen words of the answer, nobody can take them back, and a sibling would say them again.
Then a withheld call, of which nothing was shown, is asked for *below* the answer, in a short message that names the
reason. What comes is told behind those words in the same message of the assistant: words and call are what the client
sends back, and the second answer is where its next turn goes on. Two halves of a call are never glued together, and
the other causes are left as they are: a demanded call has no words before it, words with a forbidden one are the answer
that was asked for, and an intercepted one beside words is rare. What else is on the path then, the half call and the
note, is the price of a call that is not lost.

When the second answer does not come at all, the client gets the first one (`telling.Kept`), with the sentence about the
call where one was withheld. When it is no better, the client gets it as it is: a sentence (and `length` for a call that
was cut), text and `stop` where a call was demanded, and an error (`qwen_tools_intercepted`) where the site has taken
this one too. A model that is asked for a call and answers in words has its words shown, and the sentence behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    ToolCallStarted,
)
from qwen_bridge.messages import ToolChoice
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls.policy import Reason
from qwen_bridge.toolcalls.report import Report

_BEYOND_REPAIR = frozenset({Reason.NOT_ALLOWED})
"""Reasons that a repetition cannot mend: the call was whole, and one too many."""

MOST_HELD = 256 * 1024
"""Characters that are held at most for a client that demands a call."""


class Cause(Enum):
    """Why an answer is asked for again; the value is for the log."""

    NOT_WHOLE = "call_not_whole"
    NO_CALL = "no_call"
    INTERCEPTED = "intercepted"
    FORBIDDEN = "call_forbidden"


def demands(choice: ToolChoice) -> bool:
    """Whether the client wants a call and no answer in words."""
    return choice.mode in ("required", "named")


def answers(name: str, choice: ToolChoice) -> bool:
    """Whether a call to the tool `name` is what `choice` demands."""
    return choice.mode != "named" or name == choice.name


def cause_at_end(report: Report, choice: ToolChoice) -> Cause | None:
    """Why a complete answer is worth asking for again; None when it is not."""
    reason = report.must_ask_again
    if reason is Reason.INTERCEPTED:
        return Cause.INTERCEPTED
    if reason is Reason.FORBIDDEN:
        return Cause.FORBIDDEN
    if reason is not None and reason not in _BEYOND_REPAIR:
        return Cause.NOT_WHOLE
    called = any(answers(call.name, choice) for call in report.released)
    return Cause.NO_CALL if demands(choice) and not called else None


class Patience:
    """Stage around the one that reads calls: where the client demands a call, no word leaves before one comes.

    A word that was shown would forbid the repetition, and models that do not call write words; a client that demands a
    call has no use for them. Without a demand text is never held: people read it while it comes. Beyond `MOST_HELD`
    characters it is let go, and then there is no repetition.
    """

    __slots__ = ("_choice", "_held", "_size", "inner")

    def __init__(self, inner: Stage[StreamEvent, StreamEvent], choice: ToolChoice) -> None:
        self.inner = inner
        self._choice = choice
        self._held: list[StreamEvent] | None = []
        self._size = 0

    def feed(self, item: StreamEvent, /) -> Sequence[StreamEvent]:
        return self._passed(self.inner.feed(item))

    def close(self) -> Sequence[StreamEvent]:
        ready = self._passed(self.inner.close())
        return [*ready, *self._let_go()]

    def _passed(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        if self._held is None:
            return events
        ready: list[StreamEvent] = []
        for event in events:
            if self._held is None or isinstance(event, ResponseStarted):
                ready.append(event)  # where the answer lies must be known at once: it may have to be stopped
                continue
            self._held.append(event)
            self._size += len(event.text) if isinstance(event, TextDelta | ReasoningDelta) else 0
            if self._size > MOST_HELD or self._over(event):
                ready += self._let_go()
        return ready

    def _over(self, event: StreamEvent) -> bool:
        """Whether the wait has an end: by the call, or by the answer's end."""
        if isinstance(event, ToolCallStarted):
            return answers(event.name, self._choice)
        return isinstance(event, ResponseEnded | ResponseFailed)

    def _let_go(self) -> Sequence[StreamEvent]:
        held, self._held = self._held or [], None
        return held
