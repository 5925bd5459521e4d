"""The stage: events with the model's text in, events with calls out.

Text leaves at once, but for the suffix that may still become an opener. From a confirmed opener on the text is held
until the call is whole (`held`, at most 1 MiB). A harmless call then leaves at once. A destructive one waits for the
end of the answer: only there is it certain that the body did not hold its own closing tags, because then closers
that nothing opened follow. Calls leave in the order in which they were written, each in one go.

The one state is `_held`: a call is open, or it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from qwen_bridge.events import (
    FinishReason,
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
)
from qwen_bridge.messages import ToolSpec
from qwen_bridge.ports import IdSource
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.gate import Gate
from qwen_bridge.toolcalls.grammar import read_call
from qwen_bridge.toolcalls.held import Effort, Held, Settled
from qwen_bridge.toolcalls.native import NativeCalls
from qwen_bridge.toolcalls.outbox import Client, Outbox
from qwen_bridge.toolcalls.pieces import Kind, Passed, Piece
from qwen_bridge.toolcalls.policy import Decision, Ending, Reason, ToolSettings, Verdict, decide
from qwen_bridge.toolcalls.reading import Call, Reading
from qwen_bridge.toolcalls.report import Report
from qwen_bridge.toolcalls.ruins import unopened
from qwen_bridge.toolcalls.waiting import Judged

THINKING_MEMORY = 256 * 1024
"""Characters of thinking that are kept, for the case that the whole answer was in it."""

MAX_REFUSALS = 64
"""Openers that turned out to be none, and whose text was read again, at most; the work stays linear."""


BLOCK = 4096
"""Characters that are read at once."""


class ToolCallExtractor:
    """A stage from events to events; see the head of this file.

    `tools` are what the client declared (for an XML client: what its system prompt describes); `client` says whether
    calls leave as events or as XML in the text; `ids` mints call ids. `report` holds what was done so far and is
    complete once a terminal event was fed; `shown` says whether the client has seen any text.
    """

    __slots__ = (
        "_catalogue", "_effort", "_ended", "_gate", "_held", "_native", "_outbox", "_refusals", "_settings",
        "_thinking", "_xml",
    )  # fmt: skip

    def __init__(
        self, tools: Sequence[ToolSpec], client: Client, ids: IdSource, settings: ToolSettings | None = None
    ) -> None:
        self._settings = settings or ToolSettings()
        self._catalogue = Catalogue(tools, self._settings.harmless, self._settings.aliases)
        self._xml = client == "roo_xml"
        self._outbox = Outbox(self._catalogue, client, ids, self._settings)
        self._gate = Gate(self._catalogue)
        self._native = NativeCalls(self._catalogue)
        self._effort = Effort()
        self._held: Held | None = None
        self._thinking = _Memory(THINKING_MEMORY)
        self._refusals = 0
        self._ended = False

    @property
    def report(self) -> Report:
        return self._outbox.report

    @property
    def shown(self) -> bool:
        return self._outbox.shown

    @property
    def busy(self) -> bool:
        """Whether a call is coming in, or waits for the end of the answer."""
        return self._held is not None or self._outbox.busy

    def feed(self, item: StreamEvent, /) -> Sequence[StreamEvent]:
        """Take one event; return what became ready because of it. Nothing follows a terminal event."""
        if self._ended:
            return []
        if self._held is not None and type(item) is TextDelta:  # the hot path: a long body, delta by delta
            settled = self._held.feed(item.text)
            return [] if settled is None else self._go_on(settled)
        match item:
            case TextDelta(text):
                return self._read(text, None)
            case ReasoningDelta(text):
                self._thinking.add(text)
                return [item]
            case ToolCallStarted() | ToolCallDelta() | ToolCallEnded():
                call = self._native.feed(item)
                return self._judge(call, "native", Ending.FOLLOWED) if call is not None else []
            case ResponseEnded(reason):
                return [*self._drained(cut=reason == "length"), ResponseEnded(self._finish(reason))]
            case ResponseFailed():
                return [*self._drained(cut=True), item]
            case _:
                return [item]

    def close(self) -> Sequence[StreamEvent]:
        """The input has ended; if no terminal event was fed it broke off."""
        return [] if self._ended else self._drained(cut=True)

    def _read(self, text: str, cut: bool | None) -> list[StreamEvent]:
        """Take text. `cut` is None while more may come, then whether the answer was cut off.

        In blocks: what stands behind a call is read anew, and that must not be everything that is there.
        """
        ready: list[StreamEvent] = []
        pending = _blocks(text)
        while True:
            piece = pending.pop() if pending else ""
            final = cut is not None and not pending
            settled = self._step(piece, ready, final=final)
            if settled is not None:
                rest, events = self._settle(settled, cut if final else None)
                ready += events
                pending += _blocks(rest)
            elif not pending:
                return ready

    def _go_on(self, settled: Settled) -> list[StreamEvent]:
        """What was held has settled: judge it, and read on behind it."""
        self._held = None
        rest, ready = self._settle(settled, None)
        return [*ready, *self._read(rest, None)]

    def _step(self, text: str, ready: list[StreamEvent], *, final: bool) -> Settled | None:
        """Take a block; how the call in it ended, if one did. What became ready is added to `ready`."""
        if self._held is None:
            passed = self._gate.feed(text, final=final)
            ready += self._pass(passed)
            if passed.call is None:
                return None
            text = passed.call
            self._held = Held(text, self._catalogue, self._settings.max_call, self._effort, fenced=passed.fenced)
        settled = self._held.feed(text) or (self._held.finish() if final else None)
        if settled is not None:
            self._held = None
        return settled

    def _pass(self, passed: Passed) -> list[StreamEvent]:
        ready: list[StreamEvent] = []
        for kind, group in groupby(passed.pieces, key=attrgetter("kind")):
            if kind is Kind.TEXT:
                ready += self._outbox.say("".join(piece.text for piece in group))
                continue
            for piece in group:
                ready += self._note(piece)
        return ready

    def _note(self, piece: Piece) -> list[StreamEvent]:
        """Take a piece that is no text."""
        match piece.kind:
            case Kind.THINKING if piece.text:
                self._thinking.add(piece.text)
                return [ReasoningDelta(piece.text)]
            case Kind.HALF:
                return self._outbox.take(Judged(Call("", None, {}), _withheld(Reason.CUT_OFF), "unread"))
            case Kind.REFUSED:
                self.report.refused.append(piece.text)
            case _:
                pass
        return []

    def _settle(self, settled: Settled, cut: bool | None) -> tuple[str, list[StreamEvent]]:
        """Judge what was held; return the text that is still to be read, and what is ready."""
        if settled.unread is not None:
            self._gate.cut()
            return "", self._outbox.take(Judged(Call("", None, {}), _withheld(settled.unread), "unread"))
        reading = settled.reading
        if reading is None or (reading.fenced and not reading.last):
            return self._refuse(settled)
        within = self._gate.trail.within()
        self._gate.resume(call.name for call in reading.calls)
        ready: list[StreamEvent] = []
        self._doubt()
        inside = self._outbox.busy and self._outbox.doubt(unopened(settled.text), flawed=reading.whole)
        ending = Ending.FOLLOWED if cut is None or not reading.last else _ending(cut=cut)
        for call in reading.calls:
            decision = _withheld(Reason.UNCLEAR) if inside else decide(call, ending, xml=self._xml)
            if decision.reason is Reason.UNREADABLE and cut is not None and _breaks_off(settled):
                decision = _withheld(Reason.CUT_OFF)
            ready += self._outbox.take(Judged(call, decision, reading.dialect, within))
        return settled.rest, ready

    def _doubt(self) -> None:
        """Tell the calls that wait which closers came behind them."""
        self._outbox.doubt(self._gate.trail.take_strays(), flawed=True)
        self._outbox.doubt(self._gate.trail.take_dangling())

    def _refuse(self, settled: Settled) -> tuple[str, list[StreamEvent]]:
        """What was held is no call after all: it is text, and what is inside it is looked at again."""
        self._refusals += 1
        text = settled.text + settled.rest
        if self._refusals > MAX_REFUSALS:
            return "", self._outbox.say(text)
        passed = Passed()
        rest = self._gate.skip(text, passed)
        return rest, self._pass(passed)

    def _judge(self, call: Call, dialect: str, ending: Ending) -> list[StreamEvent]:
        return self._outbox.take(Judged(call, decide(call, ending, xml=self._xml), dialect))

    def _drained(self, *, cut: bool) -> list[StreamEvent]:
        """Everything that was held back, before a terminal event."""
        self._ended = True
        ready = self._read("", cut)
        for call in self._native.close():
            ready += self._judge(call, "native", _ending(cut=cut))
        if not cut and not self.shown and not self.report.calls and not self._outbox.busy:
            ready += self._promoted()
        self._doubt()
        return [*ready, *self._outbox.end()]

    def _promoted(self) -> list[StreamEvent]:
        """The whole answer was thinking, and it ends with one complete call: that was the answer."""
        reading = last_call(self._thinking.text, self._catalogue)
        if reading is None:
            return []
        return self._judge(reading.calls[0], reading.dialect, Ending.STOP)

    def _finish(self, reason: FinishReason) -> FinishReason:
        if reason == "content_filter":
            return reason
        if self.report.released:
            return "tool_calls"
        return "length" if self.report.cut or reason == "length" else "stop"


def last_call(text: str, catalogue: Catalogue) -> Reading | None:
    """The one whole call at the end of `text`, if there is exactly one and it is the end."""
    passed = Gate(catalogue).feed(text, final=True)
    if passed.call is None:
        return None
    reading = read_call(passed.call, catalogue)
    fits = reading is not None and reading.last and len(reading.calls) == 1 and not reading.calls[0].flaws
    return reading if fits else None


def _blocks(text: str) -> list[str]:
    """`text` in pieces, the first one last."""
    return [text[at : at + BLOCK] for at in range(0, len(text), BLOCK)][::-1]


def _breaks_off(settled: Settled) -> bool:
    """Whether a call that cannot be read ends in the middle of something: no bracket or tag stands at its end.

    It is not run either way; but "was cut off" is the truer word, and `length` the truer end of the answer.
    """
    return not settled.rest.strip() and not settled.text.rstrip().endswith(("}", "]", ">"))


def _ending(*, cut: bool) -> Ending:
    return Ending.CUT if cut else Ending.STOP


def _withheld(reason: Reason) -> Decision:
    return Decision(Verdict.WITHHELD, reason)


class _Memory:
    """The last `limit` characters of what was added; adding costs what was added."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * self._limit:
            self._pieces = [self.text]
            self._size = len(self._pieces[0])

    @property
    def text(self) -> str:
        return "".join(self._pieces)[-self._limit :]
