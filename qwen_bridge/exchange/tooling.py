"""How the tools of one request travel: as words to the model, and as calls back to the client.

Where a request declares no tools, or forbids them, nothing is taught and the answer's text is nobody's call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qwen_bridge.conversation.transcript import PLAIN_WORDS, Block, ToolWords
from qwen_bridge.events import StreamEvent
from qwen_bridge.messages import ChatRequest, Message, TextPart, ToolCall
from qwen_bridge.ports import IdSource
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls import teach
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.neutralise import restore
from qwen_bridge.toolcalls.policy import ToolSettings
from qwen_bridge.toolcalls.report import Report
from qwen_bridge.toolcalls.xml_client import described_tools


@dataclass(frozen=True, slots=True)
class _FormWords:
    """Earlier calls and results in the form that the model was taught."""

    form: teach.Form

    def call(self, call: ToolCall) -> str:
        return teach.earlier_calls([call], self.form)

    def result(self, name: str, text: str) -> str:
        return teach.result(name or "tool", text)


class Through:
    """The stage that changes nothing."""

    __slots__ = ()

    def feed(self, item: StreamEvent, /) -> Sequence[StreamEvent]:
        return (item,)

    def close(self) -> Sequence[StreamEvent]:
        return ()


class Tooling:
    """The tools of one request. `model` is Qwen's, and decides the form where the setting is `auto`.

    A client declares its tools in `tools`, or it describes them as XML in its system prompt and runs what stands in the
    text; then nothing is taught but a reminder, and calls of any form become its XML.
    """

    def __init__(self, request: ChatRequest, model: str, form: teach.FormSetting, ids: IdSource) -> None:
        self._request = request
        self._form = teach.form_for(model, form)
        self._ids = ids
        forbidden = request.tool_choice.mode == "none"
        self._declared = () if forbidden else request.tools
        self._described = () if request.tools else described_tools(request.instructions)

    @property
    def text(self) -> str:
        """What a new chat, or one whose tools changed, is told of the tools; empty without any."""
        if self._declared:
            choice, parallel = self._request.tool_choice, self._request.parallel_tool_calls
            return teach.instructions(self._declared, self._form, choice, parallel=parallel)
        return teach.xml_example(self._described[0]) if self._described else ""

    @property
    def words(self) -> ToolWords:
        """How calls and results of the history are worded: in the taught form, or plainly where nothing is taught."""
        return _FormWords(self._form) if self._declared else PLAIN_WORDS

    def remind(self, parts: Sequence[Block]) -> list[Block]:
        """The parts with a line about the form at the end of the last: long contexts lose the opener of a call."""
        line = self._reminder()
        if not line or not parts:
            return list(parts)
        return [*parts[:-1], replace(parts[-1], text=f"{parts[-1].text}\n\n{line}")]

    def stage(self) -> Stage[StreamEvent, StreamEvent]:
        """A fresh stage for one attempt's answer."""
        settings = ToolSettings(parallel=self._request.parallel_tool_calls)
        if self._declared:
            return ToolCallExtractor(self._declared, "openai_tools", self._ids, settings)
        if self._described:
            return ToolCallExtractor(self._described, "roo_xml", self._ids, settings)
        return Through()

    def _reminder(self) -> str:
        if self._declared:
            choice, parallel = self._request.tool_choice, self._request.parallel_tool_calls
            return teach.reminder(self._form, choice, parallel=parallel)
        return teach.xml_reminder() if self._described else ""

    def as_said(self, messages: Sequence[Message]) -> Sequence[Message]:
        """History as the model said it, without the marks that made a mention of a tool harmless for the client."""
        if not self._described:
            return messages
        names = [tool.name for tool in self._described]
        return [_restored(message, names) if message.role == "assistant" else message for message in messages]


def _restored(message: Message, names: Sequence[str]) -> Message:
    parts = (TextPart(restore(p.text, names)) if isinstance(p, TextPart) else p for p in message.parts)
    return replace(message, parts=tuple(parts))


def report_of(stage: Stage[StreamEvent, StreamEvent]) -> Report | None:
    """What became of the calls of an answer; None where no tools were declared."""
    return stage.report if isinstance(stage, ToolCallExtractor) else None
