"""How the tools of one request travel: as words to the model, and as calls back to the client.

Where a request declares no tools, or forbids them, nothing is taught and the answer's text is nobody's call.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from qwen_bridge.conversation.canonical import instructions_digest, system_half, tools_half
from qwen_bridge.conversation.transcript import PLAIN_WORDS, Block, ToolWords, blocks
from qwen_bridge.errors import BridgeError, EmptyAnswer, ToolsIntercepted
from qwen_bridge.events import StreamEvent, ToolCallDelta, ToolCallEnded, ToolCallStarted
from qwen_bridge.exchange.earlier import EarlierAnswers
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.local_channel import declaration, reminder
from qwen_bridge.exchange.record import Tap
from qwen_bridge.exchange.repetition import Cause, Patience, demands
from qwen_bridge.messages import ChatRequest, Message, ToolCall, ToolSpec
from qwen_bridge.ports import IdSource
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls import notices, teach
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.outbox import Client
from qwen_bridge.toolcalls.policy import ToolSettings
from qwen_bridge.toolcalls.report import Report
from qwen_bridge.toolcalls.xml_client import described_tools

type Channel = Literal["text", "local_mcp"]

NOTE = "note"
"""Label of a part in which the bridge tells the model what became of a call."""

_NAMEABLE = re.compile(r"[\w.\-:/]{1,80}")


@dataclass(frozen=True, slots=True)
class _FormWords:
    """Earlier calls and results in the form that the model was taught."""

    form: teach.Form

    def call(self, call: ToolCall) -> str:
        return teach.earlier_calls([call], self.form)

    def result(self, name: str, text: str) -> str:
        return teach.result(name or "tool", text)


class Through:
    """The stage of a client without tools: calls that the site makes on its own are nobody's, all else passes."""

    __slots__ = ()

    def feed(self, item: StreamEvent, /) -> Sequence[StreamEvent]:
        return () if isinstance(item, ToolCallStarted | ToolCallDelta | ToolCallEnded) else (item,)

    def close(self) -> Sequence[StreamEvent]:
        return ()


class Tooling:
    """The tools of one request. `model` is Qwen's, and decides the form where the setting is `auto`.

    A client declares its tools in `tools`, or it describes them as XML in its system prompt and runs what stands in the
    text; then nothing is taught but a reminder, and calls of any form become its XML.
    """

    def __init__(
        self,
        request: ChatRequest,
        model: str,
        form: teach.FormSetting,
        ids: IdSource,
        habits: Habits | None = None,
        *,
        channel: Channel = "text",
    ) -> None:
        self._request = request
        self.settings = ToolSettings()
        """What the user chose for the reading of calls; whoever makes this sets it."""
        self._model = model
        self._setting = form
        self._habits = habits or Habits()
        self._form = self._habits.form(model, form)
        self._ids = ids
        self._note = ""
        self.listens = False
        """Whether the model's raw answers are kept, in `taps`, for a recording."""
        self.taps: list[Tap] = []
        forbidden = request.tool_choice.mode == "none"
        self._declared = () if forbidden else request.tools
        self._described = () if request.tools else described_tools(request.instructions)
        self._earlier = EarlierAnswers(request.tools, self._described)
        self._local = bool(channel == "local_mcp" and self._declared and self._habits.takes_local_tools(model))

    @property
    def text(self) -> str:
        """What a new chat, or one whose tools changed, is told of the tools; empty without any."""
        if self._local:
            return ""
        if self._declared:
            return teach.instructions(self._declared, self._form, self._request.tool_choice)
        return teach.xml_example(self._described[0]) if self._described else ""

    @property
    def words(self) -> ToolWords:
        """How calls and results of the history are worded: in the taught form, or plainly where nothing is taught."""
        return _FormWords(self._form) if self._declared and not self._local else PLAIN_WORDS

    @property
    def local_mcp(self) -> dict[str, Any] | None:
        """The tools as they are declared beside the message; None where they are taught in it."""
        return declaration(self._declared) if self._local else None

    def leave_channel(self) -> bool:
        """Teach in the text from now on; False where that is done already."""
        if not self._local:
            return False
        self._habits.refused_local_tools(self._model)
        self._local = False
        return True

    def learn(self, report: Report) -> None:
        """Take note of how the model called: one that writes its calls into the text does not know the channel."""
        if self._local and report.released:
            native = any(call.dialect == "native" for call in report.released)
            (self._habits.took_local_tools if native else self._habits.refused_local_tools)(self._model)

    def told(self, digest: str, anchor: str | None = None) -> str:
        """The request's `instructions_digest` as far as the chat was told of its tools, and in which form.

        `anchor` is that of the node it goes on from. Tools that are forbidden this once are not taught, and not
        forgotten either; tools taught in the other form are other words.
        """
        if self._request.tools and not self._declared:
            before = anchor or instructions_digest(replace(self._request, tools=()))
            return system_half(digest) + tools_half(before)
        if self._local and anchor is not None:
            return system_half(digest) + tools_half(anchor)
        if not self._declared or (self._form == teach.form_for(self._model) and not self._local):
            return digest
        half, way = tools_half(digest), "local_mcp" if self._local else self._form
        return system_half(digest) + hashlib.sha256(f"{half} {way}".encode()).hexdigest()[: len(half)]

    def parts(self, messages: Sequence[Message], known: Sequence[Message]) -> list[Block]:
        """The messages as parts, `known` being those before them: old answers as the model said them, a note behind
        each that held a call that did not run, and at the end the line that reminds of the form.
        """
        parts: list[Block] = []
        before, run = list(known), list[Message]()
        for message in messages:
            said, withheld = self._earlier.as_said(message)
            if said.parts or said.tool_calls or not withheld:
                run.append(said)
            if withheld:
                parts += blocks(run, known=before, words=self.words)
                parts.append(Block(NOTE, notices.withheld_before(withheld)))
                before, run = [*before, *run], []
        parts += blocks(run, known=before, words=self.words)
        called = bool(known) or any(message.tool_calls for message in messages)
        return self.remind(parts, called=called, results=bool(messages) and messages[-1].role == "tool")

    def remind(self, parts: Sequence[Block], *, called: bool = False, results: bool = False) -> list[Block]:
        """The parts with a line about the form at the end of the last: long contexts lose the opener of a call.

        `called`: the chat may know of tools; `results`: the last part is one. Where the bridge asks again, its note
        stands before that line.
        """
        lines = [line for line in (self._note, self._reminder(called, results)) if line]
        if not lines or not parts:
            return list(parts)
        return [*parts[:-1], replace(parts[-1], text="\n\n".join([parts[-1].text, *lines]))]

    @property
    def tools(self) -> Sequence[ToolSpec]:
        """What the model may call."""
        return self._declared or self._described

    @property
    def client(self) -> Client:
        """Whether calls go back as `tool_calls` or as XML in the text."""
        return "roo_xml" if self._described else "openai_tools"

    def stage(self) -> Stage[StreamEvent, StreamEvent]:
        """A fresh stage for one attempt's answer."""
        if not self.listens or not self.tools:
            return self._stage()
        tap = Tap(self._stage())
        self.taps.append(tap)
        return tap

    def _stage(self) -> Stage[StreamEvent, StreamEvent]:
        settings = replace(self.settings, parallel=self._request.parallel_tool_calls)
        if self._declared:
            reader = ToolCallExtractor(self._declared, self.client, self._ids, settings)
            waits = self._request.stream and demands(self._request.tool_choice)
            return Patience(reader, self._request.tool_choice) if waits else reader
        if self._described:
            return ToolCallExtractor(self._described, self.client, self._ids, settings)
        if self._request.tools:  # forbidden: markup of a call that is written all the same is no prose either
            return ToolCallExtractor(self._request.tools, self.client, self._ids, replace(settings, forbidden=True))
        return Through()

    def repeat(self, cause: Cause, report: Report, *, above: bool = False) -> None:
        """Word the same question for its repetition; `report` is that of the answer that will not do.

        `above`: the model sees that answer, and the repetition is a message of its own.
        """
        match cause:
            case Cause.NOT_WHOLE:
                last = report.withheld[-1]
                name = last.name if _NAMEABLE.fullmatch(last.name) else ""
                self._note = notices.ask_again(name, last.decision.reason, last.decision.about, above=above)
            case Cause.NO_CALL:
                self.leave_channel()
                self._note = notices.ask_for_call(self._request.tool_choice.name)
            case Cause.FORBIDDEN:
                self._note = notices.ask_for_words()
            case Cause.INTERCEPTED if self.leave_channel():
                pass
            case Cause.INTERCEPTED if self._declared:
                if self._setting == "auto":
                    self._habits.intercepted(self._model, self._form)
                self._form = teach.other_form(self._form)
            case Cause.INTERCEPTED:
                self._note = notices.ask_as_text()

    @property
    def repetition(self) -> str:
        """The repetition as a message of its own."""
        return "\n\n".join(line for line in (self._note, self._reminder(called=True, results=False)) if line)

    def _reminder(self, called: bool, results: bool) -> str:
        choice = self._request.tool_choice
        if self._local:
            return reminder(choice, parallel=self._request.parallel_tool_calls, results=results)
        if self._declared:
            return teach.reminder(self._form, choice, parallel=self._request.parallel_tool_calls)
        if self._described:
            return teach.xml_reminder()
        return teach.forbidden() if self._request.tools and called else ""


def report_of(stage: Stage[StreamEvent, StreamEvent]) -> Report | None:
    """What became of the calls of an answer; None where no tools were declared."""
    reader = _reader(stage)
    return reader.report if reader is not None else None


def intercepted(stage: Stage[StreamEvent, StreamEvent]) -> bool:
    """Whether the site has taken a call for its own, and nothing else came that would be lost with this answer."""
    reader = _reader(stage)
    return reader is not None and bool(reader.report.refused) and not reader.busy and not reader.report.calls


def withheld(stage: Stage[StreamEvent, StreamEvent]) -> bool:
    """Whether a call was withheld: where the answer broke off in it, the sentence about it is no word of the answer."""
    report = report_of(stage)
    return report is not None and bool(report.withheld)


def nothing_said(report: Report | None) -> BridgeError:
    """The fault of an answer without a word."""
    if report is not None and report.refused:
        return ToolsIntercepted(
            "Qwen's site took the tool calls of this model for its own, in every form that it was taught. Use another "
            "Qwen model, or try again."
        )
    return EmptyAnswer("Qwen sent an empty answer. Ask again, or shorten the conversation.")


def _reader(stage: Stage[StreamEvent, StreamEvent]) -> ToolCallExtractor | None:
    while isinstance(stage, Patience | Tap):
        stage = stage.inner
    return stage if isinstance(stage, ToolCallExtractor) else None
