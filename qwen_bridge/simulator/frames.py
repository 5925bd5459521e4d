"""A plan as the exact frames of the wire.

Every byte follows the captures (`data/qwen` 01, 05–09, 11): `", "` and `": "` between JSON tokens, raw UTF-8, the odd
spacing of `response.created` and the blank after it, two deltas with empty content before the end, a running `usage`
on deltas and none on `finished`, no `[DONE]`. Two ages of the web client are known:

==================  ==============================  ==========================================================
                    age A (2025-10, capture 01)     age B (2026-06, capture 05)
==================  ==============================  ==========================================================
response.created    chat_id, parent_id, response_id and response_index
deltas              usage                           response_id, usage, timestamp
usage               … cached_tokens                 … prompt_tokens_details.cached_tokens
hidden prompt       33 tokens                       1049 tokens
==================  ==============================  ==========================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from qwen_bridge.simulator.plan import Plan

type Age = Literal["A", "B"]

_HIDDEN_PROMPT = {"A": 33, "B": 1049}
_EMPTY_DELTAS = 2
_KEEP_ALIVE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the stream. `text` is the part of the first candidate's answer that it says, mostly `""`."""

    data: bytes
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Where an answer hangs and how it is written. `prompt_tokens` counts the path and the message.

    `rival_id` is the node of a second candidate. `phases` is false when the request had no
    `feature_config.output_schema: "phase"`: deltas then carry no `phase`. `timestamp` is in seconds.
    """

    chat_id: str
    user_id: str
    response_id: str
    rival_id: str = ""
    prompt_tokens: int = 0
    timestamp: int = 0
    age: Age = "B"
    phases: bool = True


def spaced_json(value: object) -> str:
    """JSON as the service writes it in frames: `", "` and `": "`, characters as they are."""
    return json.dumps(value, ensure_ascii=False)


def frame(value: object) -> bytes:
    """`value` as one frame. What is no character (half a surrogate pair) becomes `?`."""
    return _bytes(f"data: {spaced_json(value)}\n\n")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def tokens(text: str) -> int:
    """A token count as good as any: one for four bytes of UTF-8, 0 for no text."""
    return (len(text.encode("utf-8", "replace")) + 3) // 4


def stopped(response_id: str) -> bytes:
    """The frame that follows a call of `stop`."""
    return frame({"response.stopped": {"response_id": response_id}})


def render(plan: Plan, opening: Opening) -> list[Frame]:
    """All frames of `plan`, in order."""
    frames = [Frame(_created(opening, opening.response_id, 0))]
    if plan.rival is not None:
        frames.append(Frame(_created(opening, opening.rival_id, 1)))
    if plan.opens_only:
        return frames
    frames += _keep_alives(plan.keep_alives, opening)
    voice = _Voice(opening, opening.response_id)
    first, second = _blocks(plan)
    frames += voice.reasoning(first, plan)
    for lookup in plan.lookups:
        frames += _lookup(voice, lookup)
    frames += voice.reasoning(second, plan)
    answer = voice.answer(plan) if plan.text or not plan.calls else iter(())
    if plan.rival is None:
        return [*frames, *answer, *(voice.function(call.delta) for call in plan.calls)]
    rival = _Voice(opening, opening.rival_id).answer(Plan(text=plan.rival, chunk=plan.chunk, phase=plan.phase))
    for theirs, ours in zip_longest(rival, answer):
        frames += [Frame(theirs.data)] if theirs else []
        frames += [ours] if ours else []
    return frames


def _created(opening: Opening, response_id: str, index: int) -> bytes:
    """Written by hand: no JSON library spaces it like the captures do, nor leaves the blank behind it."""
    indexed = f', "response_index": "{index}"' if opening.age == "B" else ""
    ids = f'"chat_id": "{opening.chat_id}", "parent_id": "{opening.user_id}", "response_id":"{response_id}"'
    return f'data: {{"response.created":{{{ids}{indexed}}}}} \n\n'.encode()


def _keep_alives(count: int, opening: Opening) -> Iterator[Frame]:
    for number in range(count):
        info = {
            "action": "keep_alive",
            "chat_id": opening.chat_id,
            "response_id": opening.response_id,
            "timestamp": opening.timestamp + number * _KEEP_ALIVE_SECONDS,
        }
        yield Frame(frame({"response.info": info}))


def _blocks(plan: Plan) -> tuple[list[str], list[str]]:
    """The thoughts before and after the look-ups; all of them before, unless the plan restarts."""
    if plan.reasoning_phase == "think":
        thoughts = [plan.reasoning[i : i + plan.chunk] for i in range(0, len(plan.reasoning), plan.chunk)]
    else:
        thoughts = [thought for thought in plan.reasoning.split("\n\n") if thought]
    middle = (len(thoughts) + 1) // 2 if plan.restart else len(thoughts)
    return thoughts[:middle], thoughts[middle:]


class _Voice:
    """One candidate speaking: keeps its running token count."""

    __slots__ = ("_age", "_completion", "_head", "_phases", "_prompt", "_reasoned", "_tail")

    def __init__(self, opening: Opening, response_id: str) -> None:
        age_b = opening.age == "B"
        self._age = opening.age
        self._phases = opening.phases
        self._prompt = opening.prompt_tokens + _HIDDEN_PROMPT[opening.age]
        self._completion = 0
        self._reasoned = 0
        self._head = f', "response_id": "{response_id}"' if age_b else ""
        self._tail = f', "timestamp": {opening.timestamp}' if age_b else ""

    def answer(self, plan: Plan) -> Iterator[Frame]:
        """The text in deltas of `plan.chunk` characters, the empty deltas, the end."""
        before, after = self._delta_template(plan.phase)
        for start in range(0, len(plan.text), plan.chunk):
            piece = plan.text[start : start + plan.chunk]
            self._completion += tokens(piece)
            yield self._pack(before + json.dumps(piece, ensure_ascii=False) + after, piece)
        for _ in range(_EMPTY_DELTAS):
            yield self._pack(f'{before}""{after}')
        if plan.finish:
            delta = {"content": "", "role": "assistant", "status": "finished"} | self._phase(plan.phase)
            yield self._close(delta, self._head)

    def reasoning(self, thoughts: Sequence[str], plan: Plan) -> Iterator[Frame]:
        """One block of reasoning, closed; nothing when there are no thoughts."""
        if not thoughts:
            return
        speak = self._think if plan.reasoning_phase == "think" else self._summarise
        yield from speak(thoughts)
        delta = {"role": "assistant", "content": ""} | self._phase(plan.reasoning_phase) | {"status": "finished"}
        yield self._close(delta, self._head + self._tail)

    def function(self, delta: dict[str, Any], *, usage: bool = True) -> Frame:
        """A frame of the platform's own tools: with the running usage, or with an empty one."""
        return self._pack(spaced_json(delta), usage=None if usage else "{}")

    def _think(self, thoughts: Sequence[str]) -> Iterator[Frame]:
        before, after = self._delta_template("think")
        for piece in thoughts:
            self._reason(piece)
            yield self._pack(before + json.dumps(piece, ensure_ascii=False) + after)

    def _summarise(self, thoughts: Sequence[str]) -> Iterator[Frame]:
        """Arrays that grow by one title and thought a frame; the last frame comes twice (capture 08)."""
        for count in [*range(1, len(thoughts) + 1), len(thoughts)]:
            self._reason(thoughts[count - 1])
            titles = [thought[:24] for thought in thoughts[:count]]
            extra = {"summary_title": {"content": titles}, "summary_thought": {"content": list(thoughts[:count])}}
            delta = {"role": "assistant", "content": ""} | self._phase("thinking_summary")
            yield self._pack(spaced_json(delta | {"extra": extra, "status": "typing"}))

    def _reason(self, text: str) -> None:
        self._completion += tokens(text)
        self._reasoned += tokens(text)

    def _phase(self, name: str) -> dict[str, str]:
        return {"phase": name} if self._phases else {}

    def _delta_template(self, phase: str) -> tuple[str, str]:
        """What stands before and after the content of a typing delta: the hot path writes, it does not dump."""
        named = f'"phase": {spaced_json(phase)}, ' if self._phases else ""
        return '{"role": "assistant", "content": ', f', {named}"status": "typing"}}'

    def _pack(self, delta: str, text: str = "", usage: str | None = None) -> Frame:
        usage = self._usage() if usage is None else usage
        line = f'data: {{"choices": [{{"delta": {delta}}}]{self._head}, "usage": {usage}{self._tail}}}\n\n'
        return Frame(_bytes(line), text)

    def _close(self, delta: dict[str, str], behind: str) -> Frame:
        return Frame(_bytes(f'data: {{"choices": [{{"delta": {spaced_json(delta)}}}]{behind}}}\n\n'))

    def _usage(self) -> str:
        prompt, completion = self._prompt, self._completion
        reasoning = f'"reasoning_tokens": {self._reasoned}, ' if self._reasoned else ""
        cached = '"cached_tokens": 0' if self._age == "A" else '"prompt_tokens_details": {"cached_tokens": 0}'
        return (
            f'{{"input_tokens": {prompt}, "output_tokens": {completion}, "characters": 0, '
            f'"total_tokens": {prompt + completion}, "input_tokens_details": {{"text_tokens": {prompt}}}, '
            f'"output_tokens_details": {{{reasoning}"text_tokens": {completion}}}, {cached}}}'
        )


def _lookup(voice: _Voice, name: str) -> Iterator[Frame]:
    """A tool of the platform: the call with *cumulative* arguments, then the result with `role: function`.

    Shapes of captures 08 (image_search) and 12 (web_search, documented).
    """
    images = name == "image_search"
    arguments = '{"bbox": [0, 0, 1000, 1000], "img_idx": 0}' if images else '{"queries": ["simulated question"]}'
    function_id = "round_0_call_5e0b51f1" if images else "round_0_1"
    for end in (0, len(arguments) // 2, len(arguments), len(arguments)):
        yield voice.function(
            {"role": "assistant", "content": "", "phase": name, "status": "typing"}
            | {"function_call": {"name": name, "arguments": arguments[:end]}, "function_id": function_id}
            | {"extra": {"display_position": "think" if images else "answer"}}
        )
    yield voice.function(_image_result(function_id) if images else _web_result(), usage=False)


def _image_result(function_id: str) -> dict[str, Any]:
    found = {
        "title": "A simulated picture",
        "image_url": "https://image.example.com/picture.png",
        "url": "https://example.com/picture",
    }
    extra = {"search_result": [found], "function_id": "call_5e0b51f1", "display_position": "think"}
    return {
        "role": "function",
        "content": "",
        "phase": "image_search",
        "extra": extra,
        "status": "finished",
        "name": "image_search",
        "function_id": function_id,
    }


def _web_result() -> dict[str, Any]:
    docs = [{"url": "https://example.com", "title": "A simulated page", "snippet": "Nothing to see.", "date": ""}]
    extra = {"function_id": "1", "tool_result": {"docs": docs}}
    return {
        "role": "function",
        "content": "",
        "phase": "web_search",
        "status": "finished",
        "name": "web_search",
        "extra": extra,
    }
