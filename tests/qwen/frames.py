"""Streams as Qwen writes them, by hand: every shape of the protocol notes, for clones without the captures.

The spelling is the site's own: blanks behind commas and colons, one behind the brace of the first frame, LF LF after
each frame, no end mark.
"""

from __future__ import annotations

import json
from typing import Any

type Frame = dict[str, Any]

CHAT, USER, ANSWER, OTHER = "chat-1", "user-1", "answer-1", "answer-2"


def stream(*frames: Frame) -> bytes:
    """The frames as the bytes of one answer."""
    return b"".join(data(frame) for frame in frames)


def data(frame: Frame) -> bytes:
    """One frame as bytes."""
    blank = " " if "response.created" in frame else ""
    return f"data: {json.dumps(frame, ensure_ascii=False)}{blank}\n\n".encode()


def created(response_id: str = ANSWER, index: str | None = "0") -> Frame:
    """The first frame; without an index as before June 2026."""
    fields = {"chat_id": CHAT, "parent_id": USER, "response_id": response_id}
    return {"response.created": fields if index is None else {**fields, "response_index": index}}


def keep_alive(response_id: str = ANSWER) -> Frame:
    """What comes every ten seconds while nothing else does."""
    return {
        "response.info": {
            "action": "keep_alive", "chat_id": CHAT, "response_id": response_id, "timestamp": 1772616291
        }
    }  # fmt: skip


def delta(content: str, phase: str | None = "answer", response_id: str | None = ANSWER, **more: Any) -> Frame:
    """One increment; `more` goes into the delta. Without a `response_id` as before 2026."""
    fields: Frame = {"role": "assistant", "content": content, "status": "typing"}
    if phase is not None:
        fields["phase"] = phase
    frame: Frame = {"choices": [{"delta": {**fields, **more}}]}
    return frame if response_id is None else {**frame, "response_id": response_id}


def finished(phase: str | None = "answer", response_id: str | None = ANSWER) -> Frame:
    """The end of a phase."""
    return delta("", phase, response_id, status="finished")


def summary(titles: list[str], thoughts: list[str]) -> Frame:
    """A frame of the `thinking_summary` phase: both arrays, whole."""
    extra = {"summary_title": {"content": titles}, "summary_thought": {"content": thoughts}}
    return delta("", "thinking_summary", extra=extra)


def usage(prompt: int, completion: int, **more: Any) -> Frame:
    """The running total that rides on deltas."""
    total = prompt + completion
    return {"input_tokens": prompt, "output_tokens": completion, "characters": 0, "total_tokens": total, **more}


def search_call(phase: str, arguments: str) -> Frame:
    """The model calls one of the site's own tools; the arguments grow from frame to frame."""
    call = {"name": phase, "arguments": arguments}
    return delta("", phase, function_call=call, function_id="round_0_1", extra={"display_position": "think"})


def search_result(phase: str) -> Frame:
    """The tool's result, told under another role."""
    docs = [{"url": "https://example.com", "title": "t", "snippet": "s", "date": ""}]
    extra = {"function_id": "1", "tool_result": {"docs": docs}}
    return delta("", phase, role="function", status="finished", name=phase, extra=extra)


PLAIN = stream(created(), delta("Hel"), delta("lo"), delta(""), finished())

STREAMS: dict[str, bytes] = {
    "plain": PLAIN,
    "plain of 2025": stream(
        created(index=None),
        {**delta("Hel", response_id=None), "usage": usage(33, 1, cached_tokens=0)},
        {**delta("lo 🌌", response_id=None), "usage": usage(33, 2, cached_tokens=7)},
        finished(response_id=None),
    ),
    "usage": stream(
        created(),
        {**delta("Hi"), "usage": usage(542, 1, prompt_tokens_details={"cached_tokens": 40})},
        {**delta(""), "usage": usage(542, 1, prompt_tokens_details={"cached_tokens": 40})},
        {**delta("!"), "usage": usage(542, 9, output_tokens_details={"reasoning_tokens": 7, "text_tokens": 9})},
        finished(),
    ),
    "think": stream(
        created(), delta("Let me", "think"), delta(" see.", "think"), finished("think"), delta("Yes."), finished()
    ),
    "thinking summary": stream(
        created(),
        keep_alive(),
        summary(["One"], ["First."]),
        summary(["One"], ["First."]),
        summary(["One", "Two"], ["First.", "Second"]),
        summary(["One", "Two"], ["First.", "Second, longer."]),
        finished("thinking_summary"),
        delta("Yes."),
        finished(),
    ),
    "search between two blocks of thinking": stream(
        created(index=None),
        summary(["One"], ["First."]),
        finished("thinking_summary"),
        search_call("image_search", '{"bbox": '),
        search_call("image_search", '{"bbox": [0, 0]}'),
        search_result("image_search"),
        summary(["Two"], ["Second."]),
        finished("thinking_summary"),
        delta("Yes."),
        finished(),
    ),
    "web search of 2025": stream(
        created(index=None),
        delta("", "web_search", None, name="web_search", extra={"web_search_info": [{"url": "https://example.com"}]}),
        finished("web_search", None),
        delta("Found.", response_id=None),
        finished(response_id=None),
    ),
    "pictures": stream(
        created(index=None),
        keep_alive(),
        delta("https://cdn.example/1.png?key=a.b", "image_gen", extra={"output_image_hw": [[1536, 2688]]}),
        delta("https://cdn.example/2.png?key=a.b", "image_gen", extra={"output_image_hw": [[1536, 2688]]}),
        finished("image_gen"),
    ),
    "two candidates": stream(
        created(),
        created(OTHER, "1"),
        delta("巴", response_id=OTHER),
        delta("巴"),
        delta("黎", response_id=OTHER),
        finished(response_id=OTHER),
        delta("黎"),
        finished(),
    ),
    "no phases": stream(created(), delta("Hel", None), delta("lo", None), finished(None)),
    "done mark": stream(created(), delta("Hello")) + b"data: [DONE]\n\n",
    "empty": b"",
    "opened and ended": stream(created()),
    "only keep-alives": stream(created(), keep_alive(), keep_alive()),
    "cut": stream(created(), delta("Hel")),
    "error frame": stream(created(), delta("Hel"), {"error": {"code": "internal_error", "details": "no"}}, delta("lo")),
    "error delta": stream(created(), delta("Hel"), delta("", status="error"), delta("lo")),
    "not json": stream(created(), delta("Hel")) + b"data: {oops\n\n" + stream(delta("lo"), finished()),
    "stopped": stream(created(), delta("Hel"), {"response.stopped": {"response_id": ANSWER}}),
}
