"""What leaves for the client: text, calls in their order, and a sentence for each call that did not run.

A call for an OpenAI client becomes three events with a fresh id; for an XML client it becomes text. A destructive
call waits here for the end of the answer, and with it everything that was called after it.
"""

from __future__ import annotations

import re
from typing import Literal

from qwen_bridge.events import Notice, StreamEvent, TextDelta, ToolCallDelta, ToolCallEnded, ToolCallStarted
from qwen_bridge.ports import IdSource
from qwen_bridge.toolcalls import notices, write_xml
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.envelope import written
from qwen_bridge.toolcalls.neutralise import Neutraliser
from qwen_bridge.toolcalls.policy import Decision, Reason, ToolSettings, Verdict
from qwen_bridge.toolcalls.report import CallReport, Report
from qwen_bridge.toolcalls.waiting import Judged, Waiting

type Client = Literal["openai_tools", "roo_xml"]

_NAMEABLE = re.compile(r"[\w.\-:/ ]{1,80}")


class Outbox:
    """Every method returns the events that are ready because of it."""

    __slots__ = (
        "_behind_call", "_blank", "_called", "_client", "_ids", "_index", "_line_open", "_neutraliser", "_parameters",
        "_settings", "_waiting", "report", "shown",
    )  # fmt: skip

    def __init__(self, catalogue: Catalogue, client: Client, ids: IdSource, settings: ToolSettings) -> None:
        self._client = client
        self._ids = ids
        self._settings = settings
        self._parameters = frozenset(key for tool in catalogue.tools.values() for key in tool.properties)
        self._neutraliser = Neutraliser(catalogue.tools if client == "roo_xml" else ())
        self._waiting = Waiting(catalogue)
        self._blank: list[str] = []  # blanks behind a call that nothing followed yet
        self._called = False
        self._behind_call = False
        self._index = 0
        self._line_open = False
        self.shown = False
        self.report = Report()

    @property
    def busy(self) -> bool:
        """Whether a call waits."""
        return len(self._waiting) > 0

    def say(self, text: str) -> list[StreamEvent]:
        """Text of the model. Blanks behind a call wait until there is something to separate from it."""
        if text.strip():
            self._waiting.doubt_unclosed()
        if self._called and self._client == "roo_xml" and not self._settings.text_after_call:
            return []
        if self._behind_call and not text.strip():
            self._blank.append(text)
            return []
        text, self._blank, self._behind_call = "".join([*self._blank, text]), [], False
        return self._show(self._neutraliser.feed(text) if self._client == "roo_xml" else text)

    def take(self, judged: Judged) -> list[StreamEvent]:
        """A call, whole or withheld. A harmless one leaves at once, unless one before it waits."""
        if self._settings.forbidden:
            judged.decision = Decision(Verdict.WITHHELD, Reason.FORBIDDEN)
        self._waiting.add(judged)
        self._called = self._behind_call = True
        return [event for one in self._waiting.take_ready() for event in self._send(one)]

    def doubt(self, dangling: frozenset[str], *, flawed: bool = False) -> bool:
        """Closers came that nothing opened; as `Waiting.doubt`."""
        return bool(dangling) and self._waiting.doubt(dangling, flawed=flawed)

    def end(self) -> list[StreamEvent]:
        """The answer is over: send what waited, and say what was not run."""
        ready = self._flushed()
        for judged in self._waiting.take_all():
            ready += self._send(judged)
        return ready

    def _send(self, judged: Judged) -> list[StreamEvent]:
        xml = self._xml(judged)
        decision = judged.decision
        self.report.calls.append(
            CallReport(judged.call.name, judged.dialect, judged.call.repairs, decision, judged.call.arguments)
        )
        if decision.reason is Reason.NOT_ALLOWED:
            return []
        if decision.reason is not None:
            name = judged.call.name if _NAMEABLE.fullmatch(judged.call.name) else ""
            return self._paragraph(notices.not_run(name, decision.reason, decision.about), Notice)
        self._index += 1
        if xml is not None:
            return self._paragraph(xml)
        call_id = "call_qb_" + re.sub(r"[^A-Za-z0-9_-]", "", self._ids.token())[:56]
        return [
            ToolCallStarted(self._index - 1, call_id, judged.call.name),
            ToolCallDelta(self._index - 1, written(judged.call.arguments)),
            ToolCallEnded(self._index - 1),
        ]

    def _xml(self, judged: Judged) -> str | None:
        """The XML of a call for an XML client; withholds what cannot be written, or is one call too many."""
        if judged.decision.verdict is Verdict.WITHHELD or judged.call.tool is None:
            return None
        if self._is_surplus():
            judged.decision = Decision(Verdict.WITHHELD, Reason.NOT_ALLOWED)
            return None
        if self._client != "roo_xml":
            return None
        xml = write_xml.written(judged.call.tool, judged.call.arguments, self._parameters)
        if xml is None:
            judged.decision = Decision(Verdict.WITHHELD, Reason.INEXPRESSIBLE)
        return xml

    def _is_surplus(self) -> bool:
        if self._index and not self._settings.parallel:
            return True
        if self._client != "roo_xml" or self._settings.several_xml_calls:
            return False
        harmless = self._settings.harmless
        return any(call.name not in harmless for call in self.report.released)

    def _paragraph(self, text: str, kind: type[TextDelta] = TextDelta) -> list[StreamEvent]:
        """A call's XML, or a sentence of the bridge, on a line of its own."""
        ready = self._flushed()
        return [*ready, *self._show(f"\n\n{text}" if self._line_open else text, kind)]

    def _flushed(self) -> list[StreamEvent]:
        return self._show(self._neutraliser.close()) if self._client == "roo_xml" else []

    def _show(self, text: str, kind: type[TextDelta] = TextDelta) -> list[StreamEvent]:
        if not text:
            return []
        self.shown = self.shown or bool(text.strip())
        self._line_open = not text.endswith("\n")
        return [kind(text)]
