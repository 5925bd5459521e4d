"""Frames of a Qwen answer to neutral events.

One frame is one JSON object; the shapes are in the protocol notes, section 3, and in the captures 01 and 05 to 12.
There is no end mark: the answer ends where the stream ends, and whether that end is clean is known from the last
`status: "finished"` before it. `_State` is that knowledge, and the only state of the machine::

    WAITING   nothing of the answer yet (created, keep-alives, an answer that finished without a word)
    WORKING   a phase is under way, nothing shown
    TALKING   a phase is under way or must follow, something shown
    THOUGHT   the last phase was thinking or a call, and it is finished: an answer may follow, or the stream ends here
    ANSWERED  the answer (or the last picture) is finished
    OVER      a terminal event has left; all that follows is dropped

At `close`: WAITING is an empty answer, WORKING and TALKING are a cut one, THOUGHT and ANSWERED are the end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any
from urllib.parse import quote

import orjson

from qwen_bridge.errors import AnswerCutOff, AnswerUnreadable, BridgeError, EmptyAnswer
from qwen_bridge.events import (
    ReasoningDelta,
    ResponseEnded,
    ResponseFailed,
    ResponseStarted,
    StreamEvent,
    TextDelta,
    Usage,
    UsageReported,
)
from qwen_bridge.qwen.faults import classify_frame, is_fault
from qwen_bridge.qwen.native_calls import PHASES as CALLING_PHASES
from qwen_bridge.qwen.native_calls import NativeCalls
from qwen_bridge.qwen.thinking import ThinkingSummary
from qwen_bridge.sse.decoder import SSEEvent, SSEOverflow


class _State(Enum):
    WAITING = auto()
    WORKING = auto()
    TALKING = auto()
    THOUGHT = auto()
    ANSWERED = auto()
    OVER = auto()


_SHOWN = frozenset({_State.TALKING, _State.THOUGHT, _State.ANSWERED})
_ANSWER_PHASES = frozenset({"answer", "", "image_gen"})  # no phase: `output_schema` was not asked for, or is ignored
_THINKING_PHASES = frozenset({"think", "thinking_summary"})


class QwenDecoder:
    """Stage from server-sent events to `StreamEvent`s. Never raises on input; ends with exactly one terminal event.

    Right before that comes `UsageReported` with the last total, if Qwen counted. There is a total in every delta, and
    to report each was more than a quarter of the bridge's own work (`scripts/bench --hotpath`).

    `ResponseStarted` comes first, and is missing only where Qwen never opened an answer. Of two answers in one stream
    (capture 11) one is kept, the *candidate*: the one with `response_index` "0", else the first opened. The choice
    stands as soon as it is announced. An answer opened first under another index is therefore kept back until "0" is
    opened or its own first frame comes; one opened without an index (before June 2026) is announced at once, and
    would stay even if a "0" came later, since the two ages do not mix in one stream.
    """

    __slots__ = ("_announced", "_calls", "_candidate", "_opened", "_state", "_summary", "_usage", "_wrote")

    def __init__(self) -> None:
        self._state = _State.WAITING
        self._candidate = ""  # the response_id whose frames count; "" before any was seen
        self._opened: ResponseStarted | None = None  # the candidate's, kept back
        self._announced = False
        self._summary = ThinkingSummary()
        self._calls = NativeCalls()
        self._usage: dict[str, Any] = {}  # the last total, as Qwen wrote it
        self._wrote = False  # text has been shown: a picture gets a paragraph of its own

    def feed(self, item: SSEEvent | SSEOverflow, /) -> Sequence[StreamEvent]:
        """Take one event of the stream; return what it means, in order."""
        if self._state is _State.OVER:
            return []
        if isinstance(item, SSEOverflow):
            return self._fail(AnswerUnreadable(f"Qwen sent one event of more than {item.limit} bytes."))
        data = item.data.strip()
        if not data:
            return []
        if data == b"[DONE]":  # never captured, expected by older clients: an explicit end is an end
            self._finish(_State.ANSWERED)
            return []
        frame = _object(data)
        if frame is None:
            return self._fail(
                AnswerUnreadable(
                    "Qwen sent an event that is not JSON. Ask again; if it stays so, the site has changed."
                )
            )
        return self._frame(frame)

    def close(self) -> Sequence[StreamEvent]:
        """The stream has ended: say how."""
        match self._state:
            case _State.OVER:
                return []
            case _State.THOUGHT | _State.ANSWERED:
                return self._end(ResponseEnded("stop"))
            case _State.WAITING:
                return self._fail(
                    EmptyAnswer("Qwen sent no answer. Ask again; if it stays so, the message may be too long.")
                )
            case _:
                return self._fail(AnswerCutOff("Qwen's answer broke off before its end."))

    def _frame(self, frame: dict[str, Any]) -> Sequence[StreamEvent]:
        choices = frame.get("choices")
        if choices is None:
            created = frame.get("response.created")
            if isinstance(created, dict):
                return self._created(created)
        if not self._is_candidate(frame):
            return []
        if is_fault(frame):
            return self._fail(classify_frame(frame))
        if "response.stopped" in frame and self._state is not _State.ANSWERED:
            # The answer to a stop call, not ours: we hang up before. An agent would run what looks finished.
            return self._fail(AnswerCutOff("Somebody stopped Qwen's answer before its end, in the browser perhaps."))
        ready: list[StreamEvent] = self._announce() if self._opened else []
        usage = frame.get("usage")
        if isinstance(usage, dict) and (usage.get("output_tokens") or usage.get("input_tokens")):
            self._usage = usage  # every delta brings one: `_end` reads the last
        # Never more than one choice in any capture; several would be alternatives, and a client reads the first.
        match choices:
            case [{"delta": dict() as delta}, *_]:
                return self._delta(frame, delta, ready)
            case _:
                return ready

    def _created(self, created: dict[str, Any]) -> Sequence[StreamEvent]:
        """A candidate is opened: choose it, or drop it for the one already chosen."""
        response_id = created.get("response_id")
        if not isinstance(response_id, str) or not response_id:
            return []
        if self._announced or self._state in _SHOWN:  # a start behind the first word would be out of order
            return []
        index = created.get("response_index")
        first = index is None or str(index) == "0"
        replaces = first and self._opened is not None
        if self._candidate not in ("", response_id) and not replaces:
            return []
        self._candidate = response_id
        self._opened = ResponseStarted(_text(created, "chat_id"), _text(created, "parent_id"), response_id)
        return self._announce() if first else []

    def _is_candidate(self, frame: dict[str, Any]) -> bool:
        """Whether a frame belongs to the candidate. One that names nobody does: before 2026 deltas had no id."""
        named = frame.get("response_id")
        if named is None:
            for name in ("response.info", "response.stopped"):
                inner = frame.get(name)
                named = inner.get("response_id") if isinstance(inner, dict) else named
        if not isinstance(named, str) or not named:
            return True
        if not self._candidate:
            self._candidate = named  # an answer that was never opened: keep to it all the same
        return named == self._candidate

    def _announce(self) -> list[StreamEvent]:
        if self._opened is None:
            return []
        opened, self._opened = self._opened, None
        self._announced = True
        return [opened]

    def _delta(self, frame: dict[str, Any], delta: dict[str, Any], ready: list[StreamEvent]) -> Sequence[StreamEvent]:
        status = delta.get("status")
        if status == "error":
            return [*ready, *self._fail(classify_frame(frame))]
        phase = delta.get("phase") or ""
        if (delta.get("role") or "assistant") != "assistant" or not isinstance(phase, str):
            phase = "function"  # a tool's result, whatever phase it names
        if phase in CALLING_PHASES:
            calls = self._calls.take(phase, delta)
            if calls:
                self._state = _State.THOUGHT
                return [*ready, *calls]
        shown = self._shown_by(phase, delta)
        if shown is not None:
            ready.append(shown)
            self._state = _State.TALKING
        if phase in _ANSWER_PHASES:
            self._passed(_State.ANSWERED, finished=status == "finished")
        elif phase in _THINKING_PHASES:
            self._passed(_State.THOUGHT, finished=status == "finished")
        elif self._state is not _State.ANSWERED:  # searching, or unknown: an answer must still follow
            self._state = _State.TALKING if self._state in _SHOWN else _State.WORKING
        return ready

    def _shown_by(self, phase: str, delta: dict[str, Any]) -> StreamEvent | None:
        """What the client is to see of a delta; None for silence."""
        content = delta.get("content")
        text = content if isinstance(content, str) else ""
        match phase:
            case "answer" | "":
                return self._text(text) if text else None
            case "think":
                return ReasoningDelta(text) if text else None
            case "thinking_summary":
                extra = delta.get("extra")
                if isinstance(extra, dict):
                    text = self._summary.take(extra) + text
                if delta.get("status") == "finished":
                    self._summary.end_block()
                return ReasoningDelta(text) if text else None
            case "image_gen":
                return self._text(self._picture(text)) if text else None
            case _:
                return None

    def _text(self, text: str) -> TextDelta:
        self._wrote = True
        return TextDelta(text)

    def _picture(self, content: str) -> str:
        """One delta is one picture, its content the signed address (capture 07); other words stay words."""
        if not re.match(r"https?://\S+\Z", content):
            return content
        address = quote(content, safe="%/:=&?~#+!$,;'@[]*-._")  # blanks and round brackets would end the link
        return f"{'\n\n' if self._wrote else ''}![image]({address})"

    def _passed(self, rest: _State, *, finished: bool) -> None:
        """A delta of a phase that can be the last one: it is under way, or rests in `rest`."""
        if finished:
            self._finish(rest)
        elif self._state is _State.WAITING:
            self._state = _State.WORKING
        elif self._state is _State.THOUGHT:
            self._state = _State.TALKING

    def _finish(self, rest: _State) -> None:
        """A phase is over. Without a word shown it leaves nothing: that is an empty answer if nothing follows."""
        if self._state is not _State.ANSWERED:
            self._state = rest if self._state in _SHOWN else _State.WAITING

    def _end(self, event: ResponseEnded | ResponseFailed) -> list[StreamEvent]:
        ready = self._announce()
        usage = _usage(self._usage)
        if usage is not None:
            ready.append(UsageReported(usage))
        ready.append(event)
        self._state = _State.OVER
        return ready

    def _fail(self, error: BridgeError) -> list[StreamEvent]:
        return self._end(ResponseFailed(error))


def _object(data: bytes) -> dict[str, Any] | None:
    """One JSON object; None for anything else. Bytes that are not UTF-8 are replaced rather than refused."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = orjson.loads(data.decode("utf-8", "replace"))
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _usage(fields: object) -> Usage | None:
    """Qwen's running total; None for what counts no tokens (pictures) or makes no sense."""
    if not isinstance(fields, dict):
        return None
    prompt = _count(fields, "input_tokens")
    completion = _count(fields, "output_tokens")
    if not prompt + completion:
        return None
    reasoning = _count(fields.get("output_tokens_details"), "reasoning_tokens")
    # The older name stands beside the details, the newer inside them; never both.
    cached = _count(fields, "cached_tokens") or _count(fields.get("prompt_tokens_details"), "cached_tokens")
    return Usage(prompt, completion, reasoning=min(reasoning, completion), cached=min(cached, prompt))


def _count(fields: object, name: str) -> int:
    """The positive integer of that name; 0 when there is none. (`type`, since True is an `int` too.)"""
    value = fields.get(name) if isinstance(fields, dict) else None
    return value if type(value) is int and value > 0 else 0
