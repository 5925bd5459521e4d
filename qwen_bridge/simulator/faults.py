"""Everything that can go wrong on demand: one row a fault, named in a script's `fault`.

A row says at which of four places it works, in this order: it answers with a finished refusal instead of a stream
(`refusal`), or breaks the wire without an answer (`breaks`); it changes the plan (`plan`), the frames (`frames`), or
how they are delivered (`delivery`). *Early* rows stand for what lies in front of the service, a gateway, a firewall,
the network: they strike before any rule is applied, and nothing reaches the chat.

A script's entry may set the knobs: `after` (frames that come through first; half of them by default), `delay`
(seconds), `size` (bytes or repetitions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import shake_256

from qwen_bridge.simulator.delivery import Delivery, Ending, Writes, compress, recut
from qwen_bridge.simulator.frames import Frame, frame
from qwen_bridge.simulator.plan import Plan
from qwen_bridge.simulator.refusals import REFUSALS, Refusal

_SLOW_START_SECONDS = 1.0
_HUGE_LINE_BYTES = 4 * 1024 * 1024
_BOMB_BYTES = 32 * 1024 * 1024
_GARBAGE_BYTES = 4096
_KEEP_ALIVES = 3
_TRAILERS = (("server-timing", "model;dur=1204"), ("x-checksum", "d41d8cd9"))
_RENEWED = ("set-cookie", "acw_tc=renewed-by-an-answer; path=/; HttpOnly; Max-Age=1800")
_HINTS = (("link", "</main.css>; rel=preload; as=style"),)
_TWO_THOUGHTS = "I look for it first.\n\nNow I have found it."
_INSPECTED_OUTPUT = "内容安全警告：输出数据可能包含不适当的内容！"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a row may depend on: the entry's numbers, the message, and the id of the answer as seed."""

    after: int | None = None
    delay: float | None = None
    size: int | None = None
    seed: str = ""
    message: str = ""

    def half_of(self, frames: Iterable[Frame]) -> int:
        """`after`, or half of the frames, but the opening and one more if there are as many."""
        count = len(tuple(frames))
        return min(count, max(2, count // 2)) if self.after is None else min(count, self.after)


def _same_plan(plan: Plan, _: Knobs) -> Plan:
    return plan


def _same_frames(frames: list[Frame], _: Knobs) -> list[Frame]:
    return frames


def _same_delivery(delivery: Delivery, _: Knobs) -> Delivery:
    return delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row. `says` is for people. `at_head`: strikes when the request's head is there, before its body is read."""

    name: str
    says: str
    early: bool = False
    at_head: bool = False
    refusal: Refusal | None = None
    breaks: Ending | None = None
    plan: Callable[[Plan, Knobs], Plan] = _same_plan
    frames: Callable[[list[Frame], Knobs], list[Frame]] = _same_frames
    delivery: Callable[[Delivery, Knobs], Delivery] = _same_delivery


def _break_with(ending: Ending) -> Callable[[Delivery, Knobs], Delivery]:
    def change(delivery: Delivery, knobs: Knobs) -> Delivery:
        return replace(delivery, ending=ending, breaks_after=knobs.half_of(delivery.frames))

    return change


def _fail_late(code: str, details: str) -> Callable[[list[Frame], Knobs], list[Frame]]:
    def change(frames: list[Frame], knobs: Knobs) -> list[Frame]:
        error = frame({"error": {"code": code, "details": details}})
        return [*frames[: knobs.half_of(frames)], Frame(error)]

    return change


def _slow_start(delivery: Delivery, knobs: Knobs) -> Delivery:
    return replace(delivery, wait=_SLOW_START_SECONDS if knobs.delay is None else knobs.delay)


def _gzip(delivery: Delivery, _: Knobs) -> Delivery:
    headers = (*delivery.headers, ("content-encoding", "gzip"))
    return replace(delivery, frames=compress(delivery.frames), headers=headers)


def _gzip_bomb(delivery: Delivery, knobs: Knobs) -> Delivery:
    size = _BOMB_BYTES if knobs.size is None else knobs.size
    return _gzip(replace(delivery, frames=(Frame(bytes(size)),)), knobs)


def _gzip_cut(delivery: Delivery, knobs: Knobs) -> Delivery:
    packed = _gzip(delivery, knobs)
    return replace(packed, frames=packed.frames[: knobs.half_of(packed.frames)])


def _crlf(frames: list[Frame], _: Knobs) -> list[Frame]:
    return [replace(f, data=f.data.replace(b"\n", b"\r\n")) for f in frames]


def _done_marker(frames: list[Frame], _: Knobs) -> list[Frame]:
    return [*frames, Frame(b"data: [DONE]\n\n")]


def _garbage(_: list[Frame], knobs: Knobs) -> list[Frame]:
    size = _GARBAGE_BYTES if knobs.size is None else knobs.size
    return list(recut([Frame(shake_256(knobs.seed.encode()).digest(size))], f"random:{knobs.seed}"))


def _huge_line(frames: list[Frame], knobs: Knobs) -> list[Frame]:
    size = _HUGE_LINE_BYTES if knobs.size is None else knobs.size
    return [*frames[: knobs.half_of(frames)], Frame(b'data: {"choices": [{"delta": {"content": "'), Frame(b"x" * size)]


def _repeat_frames(frames: list[Frame], _: Knobs) -> list[Frame]:
    return [copy for f in frames for copy in (f, Frame(f.data))]


def _rival(plan: Plan, _: Knobs) -> Plan:
    return replace(plan, rival=f"Or, in other words: {plan.text}")


def _lost_tool(plan: Plan, knobs: Knobs) -> Plan:
    return replace(plan, text=missing_tool(plan, knobs.message), dialect=None)


def missing_tool(plan: Plan, message: str) -> str:
    """The platform's own words (their grammar too) when it takes a call in the text for one of its tools."""
    call = f"{plan.text}\n{message}"
    named = re.search(r'"name": "([^"]+)"|<function=([^>]+)>|call tool ([^\s{]+)', call)
    name = next(filter(None, named.groups()), "unknown") if named else "unknown"
    return f"Tool {name} does not exists."


def _thinking_restart(plan: Plan, _: Knobs) -> Plan:
    reasoning = plan.reasoning if "\n\n" in plan.reasoning else _TWO_THOUGHTS
    plan = replace(plan, reasoning=reasoning, reasoning_phase="thinking_summary")
    return replace(plan, lookups=("image_search",), restart=True)


def _finished_refusals() -> Iterable[Fault]:
    for refusal in REFUSALS.values():
        early = refusal.name.startswith(("http_", "waf_"))
        yield Fault(name=refusal.name, says=refusal.says, early=early, refusal=refusal)


_ROWS: tuple[Fault, ...] = (
    *_finished_refusals(),
    Fault(
        name="refuse",
        says="the connection is reset at the request's head, before its body is read",
        early=True,
        at_head=True,
        breaks=Ending.RESET,
    ),
    Fault(
        name="reset_before_headers",
        says="the connection is reset when the request has been read, without a byte of answer",
        early=True,
        breaks=Ending.RESET,
    ),
    Fault(
        name="close_before_headers",
        says="the connection is closed when the request has been read, without a byte of answer",
        early=True,
        breaks=Ending.CUT,
    ),
    Fault(
        name="stall_before_headers",
        says="no byte of answer, ever",
        early=True,
        breaks=Ending.STALL,
    ),
    Fault(
        name="slow_start",
        says="the whole answer, its headers too, waits for `delay` seconds (1)",
        delivery=_slow_start,
    ),
    Fault(
        name="reset_mid_stream",
        says="the connection is reset after some frames",
        delivery=_break_with(Ending.RESET),
    ),
    Fault(
        name="cut_mid_stream",
        says="the connection is closed after some frames, without the last chunk",
        delivery=_break_with(Ending.CUT),
    ),
    Fault(
        name="stall_mid_stream",
        says="silence after some frames",
        delivery=_break_with(Ending.STALL),
    ),
    Fault(
        name="end_mid_stream",
        says="a well-formed end of the body after some frames",
        frames=lambda frames, knobs: frames[: knobs.half_of(frames)],
    ),
    Fault(
        name="one_byte_segments",
        says="every byte of the answer is a write of its own",
        delivery=lambda delivery, _: replace(delivery, writes=Writes.BYTES),
    ),
    Fault(name="crlf", says="lines end with CR LF", frames=_crlf),
    Fault(name="gzip", says="the body is compressed", delivery=_gzip),
    Fault(name="gzip_bomb", says="a few kilobytes that swell to `size` bytes (32 MiB)", delivery=_gzip_bomb),
    Fault(name="gzip_cut", says="the body is compressed and its end is missing", delivery=_gzip_cut),
    Fault(
        name="trailers",
        says="fields behind the body, as HTTP allows",
        delivery=lambda delivery, _: replace(delivery, trailers=_TRAILERS),
    ),
    Fault(
        name="early_hints",
        says="an interim answer (103) goes before the answer itself",
        delivery=lambda delivery, _: replace(delivery, hints=_HINTS),
    ),
    Fault(
        name="renewed_cookie",
        says="the firewall sets its cookie anew with the answer, as it does every half hour",
        delivery=lambda delivery, _: replace(delivery, headers=(*delivery.headers, _RENEWED)),
    ),
    Fault(
        name="late_error",
        says="an error frame after some frames, then the end",
        frames=_fail_late("internal_error", "internal error"),
    ),
    Fault(
        name="late_data_inspection",
        says="an error frame after some frames: the output did not pass inspection",
        frames=_fail_late("data_inspection_failed", _INSPECTED_OUTPUT),
    ),
    Fault(
        name="no_finish",
        says="the last frame is missing, the body ends well",
        plan=lambda plan, _: replace(plan, finish=False),
    ),
    Fault(name="done_marker", says="a [DONE] as OpenAI sends it, which Qwen does not", frames=_done_marker),
    Fault(name="duplicate_frames", says="every frame comes twice", frames=_repeat_frames),
    Fault(name="garbage", says="`size` bytes (4096) that are no event stream", frames=_garbage),
    Fault(name="huge_line", says="a line of `size` bytes (4 MiB) that does not end", frames=_huge_line),
    Fault(name="dual_candidates", says="two answers in one stream, interleaved", plan=_rival),
    Fault(
        name="web_search",
        says="the platform searches the web before it answers",
        plan=lambda plan, _: replace(plan, lookups=("web_search",)),
    ),
    Fault(
        name="image_search",
        says="the platform searches for a picture before it answers",
        plan=lambda plan, _: replace(plan, lookups=("image_search",)),
    ),
    Fault(
        name="thinking_restart",
        says="a second block of thinking, with arrays of its own, after a tool of the platform",
        plan=_thinking_restart,
    ),
    Fault(
        name="keep_alives",
        says="`size` response.info frames (3) before the answer",
        plan=lambda plan, knobs: replace(plan, keep_alives=_KEEP_ALIVES if knobs.size is None else knobs.size),
    ),
    Fault(
        name="tool_does_not_exist",
        says="the platform takes the call in the text for its own and knows no such tool",
        plan=_lost_tool,
    ),
    Fault(
        name="created_then_eof",
        says="response.created and nothing more",
        plan=lambda plan, _: replace(plan, opens_only=True, text="", reasoning=""),
    ),
    Fault(
        name="created_then_eof_system_role",
        says="the same, as a message with the role system gets it",
        plan=lambda plan, _: replace(plan, opens_only=True, text="", reasoning=""),
    ),
)

FAULTS: Mapping[str, Fault] = {row.name: row for row in _ROWS}
