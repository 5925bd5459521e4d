"""What an exchange with tools was, for the log, and whole for a recording: words of the client's and of the model's.

A recording is off unless the user names a folder for it (`record`); only then is the model's raw text kept at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from qwen_bridge.conversation.transcript import visible_text
from qwen_bridge.events import StreamEvent, TextDelta
from qwen_bridge.messages import Message, ToolSpec
from qwen_bridge.stage import Stage
from qwen_bridge.toolcalls.report import CallReport, Report

if TYPE_CHECKING:
    from qwen_bridge.exchange.exchange import Exchange

MOST_RAW: Final = 1024 * 1024
"""Characters that are kept of one answer, raw and as it was shown."""


class Tap:
    """Stage around the one that reads calls: keeps what went in and what came out, and changes nothing."""

    __slots__ = ("_raw", "_shown", "inner")

    def __init__(self, inner: Stage[StreamEvent, StreamEvent]) -> None:
        self.inner = inner
        self._raw = _Kept()
        self._shown = _Kept()

    def feed(self, item: StreamEvent, /) -> Sequence[StreamEvent]:
        self._raw.add(item)
        return self._out(self.inner.feed(item))

    def close(self) -> Sequence[StreamEvent]:
        return self._out(self.inner.close())

    @property
    def raw(self) -> str:
        """The model's own text."""
        return self._raw.text

    @property
    def shown(self) -> str:
        """The text that was left for the client."""
        return self._shown.text

    def _out(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        for event in events:
            self._shown.add(event)
        return events


class _Kept:
    """The first `MOST_RAW` characters of the text in some events."""

    __slots__ = ("_pieces", "_room")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = MOST_RAW

    def add(self, event: StreamEvent) -> None:
        if isinstance(event, TextDelta) and self._room > 0:
            self._pieces.append(event.text[: self._room])
            self._room -= len(event.text)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


def reports_of(exchange: Exchange) -> list[Report]:
    """What became of the calls: of an answer that was asked for once more, and of the one that the client got."""
    last = exchange.calls
    told = last is None or any(last is one for one in exchange.reports)  # the first answer, where no second came
    return exchange.reports if last is None or told else [*exchange.reports, last]


def counters_of(exchange: Exchange) -> Mapping[tuple[str, str], int]:
    """Both together; see `Report.counters`."""
    return sum((report.counters() for report in reports_of(exchange)), Counter[tuple[str, str]]())


def lines_of(exchange: Exchange) -> tuple[str, ...]:
    """One line per call, without its arguments."""
    return tuple(line for report in reports_of(exchange) for line in report.lines())


def record_of(exchange: Exchange, time: float) -> dict[str, Any] | None:
    """The exchange as a plain value, once; None where nothing was listened to, or no word came."""
    tooling, request = exchange.question.tooling, exchange.question.request
    heard = [tap for tap in tooling.taps if tap.raw or reads(tap.inner)]
    tooling.taps = []
    last = exchange.calls
    if not heard or last is None:
        return None
    return {
        "time": int(time),
        "model": exchange.question.scope.model,
        "client": tooling.client,
        "outcome": exchange.outcome,
        "asked_again": exchange.repeated.value if exchange.repeated is not None else None,
        "messages": [_message(message) for message in request.messages],
        "tools": [_tool(tool) for tool in tooling.tools],
        "parallel_tool_calls": request.parallel_tool_calls,
        "raw": [tap.raw for tap in heard],
        "text": heard[-1].shown,
        "calls": [_call(call) for call in last.calls],
        "intercepted": [name for report in reports_of(exchange) for name in report.refused],
    }


def reads(stage: Stage[StreamEvent, StreamEvent]) -> bool:
    """Whether calls came that were no text."""
    report = getattr(stage, "report", None)
    return isinstance(report, Report) and bool(report.calls)


def _message(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.role, "content": visible_text(message) or None}
    if message.tool_calls:
        told["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        told["tool_call_id"] = message.tool_call_id
    return told


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _call(call: CallReport) -> dict[str, Any]:
    reason = call.decision.reason
    return {
        "name": call.name,
        "arguments": json.loads(json.dumps(dict(call.arguments), default=str)),
        "dialect": call.dialect,
        "repairs": list(call.repairs),
        "verdict": call.decision.verdict.value,
        "reason": reason.name.lower() if reason is not None else None,
    }
