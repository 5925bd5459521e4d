from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.frames import Opening, frame, render, stopped, tokens
from qwen_bridge.simulator.plan import Plan
from tests.harness.shared import QWEN, needs_shared

OPENING = Opening(chat_id="c", user_id="u", response_id="a", rival_id="b", prompt_tokens=4, timestamp=1780468951)
AGE_A = Opening(chat_id="c", user_id="u", response_id="a", prompt_tokens=4, age="A")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\"[abcu]\"")


def body(plan: Plan, opening: Opening = OPENING) -> bytes:
    return b"".join(f.data for f in render(plan, opening))


def deltas(plan: Plan, opening: Opening = OPENING) -> list[dict[str, Any]]:
    whole = [json.loads(f.data[6:]) for f in render(plan, opening)]
    return [f["choices"][0]["delta"] for f in whole if "choices" in f]


def shape(line: str) -> str:
    """A frame without its words and numbers: what is left are keys, their order, and every blank."""
    line = ID.sub('"ID"', line).replace('""ID""', '"ID"')
    line = re.sub(r'("(?:content|bbox|arguments)": )"(?:[^"\\]|\\.)+"', r'\1"…"', line)
    return re.sub(r"\b\d{3,}\b|(?<=tokens\": )\d+", "N", line)


def captured(name: str) -> list[str]:
    return [line for line in Path(QWEN / name).read_text(encoding="utf-8").split("\n\n") if line.strip()]


@needs_shared
@pytest.mark.parametrize(
    ("name", "opening"),
    [
        ("01_chriscole_t2t_stream_qwen3-vl-plus_2025-10-26.sse", AGE_A),
        ("05_xzxxn_t2t_fast_stream_qwen3.7-plus_2026-06-03.sse", OPENING),
    ],
)
def test_plain_frames_have_the_captured_shape(name: str, opening: Opening) -> None:
    """Of both ages, every kind of frame is like a captured one to the last blank, and in the captured order."""
    real = [shape(frame) for frame in captured(name)]
    made = [shape(frame) for frame in body(Plan(text="Hi!", chunk=2), opening).decode().split("\n\n") if frame]
    assert made[0] == real[0]
    assert made[-1] == real[-1]
    assert made[-3:-1] == real[-3:-1]
    assert set(made) == set(real)


@needs_shared
def test_thinking_frames_have_the_captured_shape() -> None:
    """A growing summary and its end are like the captured ones (2026-03: usage without prompt_tokens_details)."""
    real = [json.loads(f[6:]) for f in captured("09_smanx_thinking_summary_guest_turn1.sse") if f.startswith("data")]
    made = [json.loads(f.data[6:]) for f in render(Plan(reasoning="One.", text="Hi"), OPENING)]
    for mine, theirs in ((made[1], real[1]), (made[3], real[2])):
        assert list(mine) == list(theirs)
        assert list(mine["choices"][0]["delta"]) == list(theirs["choices"][0]["delta"])
    assert list(made[1]["choices"][0]["delta"]["extra"]) == list(real[1]["choices"][0]["delta"]["extra"])


@needs_shared
def test_image_search_frames_have_the_captured_shape() -> None:
    """The platform's call and its result carry the captured keys in the captured order."""
    real = [
        json.loads(f[6:])["choices"][0]["delta"] for f in captured("08_smanx_image_upload_image_search_turn1.sse")[1:]
    ]
    made = deltas(Plan(lookups=("image_search",), text="Hi"))
    for role in ("assistant", "function"):
        theirs = next(d for d in real if d["phase"] == "image_search" and d["role"] == role)
        ours = next(d for d in made if d["phase"] == "image_search" and d["role"] == role)
        assert list(ours) == list(theirs)
        assert list(ours["extra"]) == list(theirs["extra"])


@needs_shared
def test_web_search_frames_have_the_documented_shape() -> None:
    """The web search carries the documented keys."""
    real = [json.loads(f[6:]) for f in captured("12_nodeguest_doc_web_search_shapes_2026-04.sse")]
    theirs = [f["choices"][0]["delta"] for f in real if "choices" in f][:2]
    made = [d for d in deltas(Plan(lookups=("web_search",))) if d.get("phase") == "web_search"]
    assert list(made[0]) == list(theirs[0])
    assert list(made[-1]) == list(theirs[1])


@needs_shared
def test_keep_alives_have_the_captured_bytes() -> None:
    """A keep-alive is like the captured one, ten seconds after the one before."""
    real = [shape(f) for f in captured("07_smanx_t2i_guest_two_turns_turn1.sse")[1:3]]
    made = body(Plan(keep_alives=2, text="x")).decode().split("\n\n")[1:3]
    assert [shape(f) for f in made] == real
    stamps = [json.loads(f[6:])["response.info"]["timestamp"] for f in made]
    assert stamps[1] - stamps[0] == 10


def test_the_first_frame_is_spaced_like_the_captures() -> None:
    """`response.created` has its own spacing and a blank behind the brace; the index came with age B."""
    ids = b'"chat_id": "c", "parent_id": "u", "response_id":"a"'
    assert render(Plan(), OPENING)[0].data == b'data: {"response.created":{' + ids + b', "response_index": "0"}} \n\n'
    assert render(Plan(), AGE_A)[0].data == b'data: {"response.created":{' + ids + b"}} \n\n"


def test_nothing_follows_the_finished_frame() -> None:
    """The stream ends with `finished`, without usage and without [DONE]."""
    last = json.loads(render(Plan(text="x"), OPENING)[-1].data[6:])
    assert last == {
        "choices": [{"delta": {"content": "", "role": "assistant", "status": "finished", "phase": "answer"}}],
        "response_id": "a",
    }
    assert b"[DONE]" not in body(Plan(text="x"))


def test_usage_runs_and_never_falls() -> None:
    """Every delta carries a total that grows with what was said, the hidden prompt included."""
    usages = [json.loads(f.data[6:]).get("usage") for f in render(Plan(text="word " * 20, reasoning="why"), OPENING)]
    totals = [usage["total_tokens"] for usage in usages if usage]
    assert totals == sorted(totals)
    assert all(usage["input_tokens"] == 1053 for usage in usages if usage)
    assert all(u["input_tokens"] + u["output_tokens"] == u["total_tokens"] for u in usages if u)


@given(st.text(), st.integers(1, 7), st.sampled_from([OPENING, AGE_A]))
def test_no_character_is_lost(text: str, chunk: int, opening: Opening) -> None:
    """The deltas of an answer, and the texts kept beside them, are its text again."""
    frames = render(Plan(text=text, chunk=chunk), opening)
    assert "".join(f.text for f in frames) == text
    assert "".join(d["content"] for d in deltas(Plan(text=text, chunk=chunk), opening)) == text
    assert all(f.data.endswith(b"\n\n") and f.data.count(b"\n") == 2 for f in frames)


def test_half_a_character_becomes_a_question_mark() -> None:
    """What UTF-8 cannot carry does not break the stream."""
    assert '"content": "a?"' in body(Plan(text="a\ud800")).decode()
    assert frame({"x": "\udfff"}) == b'data: {"x": "?"}\n\n'


def test_summaries_grow_and_repeat() -> None:
    """The arrays of one block grow by one, the last frame comes twice, and an end without extra closes the block."""
    block = [d for d in deltas(Plan(reasoning="One.\n\nTwo.", text="x")) if d.get("phase") == "thinking_summary"]
    thoughts = [d["extra"]["summary_thought"]["content"] for d in block if "extra" in d]
    assert thoughts == [["One."], ["One.", "Two."], ["One.", "Two."]]
    assert [d["status"] for d in block] == ["typing"] * 3 + ["finished"]
    assert all(d["content"] == "" for d in block)


def test_think_comes_in_increments() -> None:
    """The older form of reasoning is text in deltas, with an end of its own."""
    block = [d for d in deltas(Plan(reasoning="because", reasoning_phase="think", chunk=3)) if d["phase"] == "think"]
    assert [d["content"] for d in block] == ["bec", "aus", "e", ""]
    assert block[-1]["status"] == "finished"


def test_a_block_restarts_after_a_tool_phase() -> None:
    """The second block has arrays of its own; nothing of the first is in it."""
    plan = Plan(reasoning="One.\n\nTwo.", lookups=("image_search",), restart=True, text="x")
    phases = [d["phase"] for d in deltas(plan)]
    order = [phase for before, phase in pairwise(["", *phases]) if before != phase]
    assert order == ["thinking_summary", "image_search", "thinking_summary", "answer"]
    thoughts = [
        d["extra"]["summary_thought"]["content"] for d in deltas(plan) if "summary_thought" in d.get("extra", {})
    ]
    assert thoughts == [["One."], ["One."], ["Two."], ["Two."]]


def test_the_arguments_of_the_platforms_tools_are_cumulative() -> None:
    """Each frame of the call begins with the arguments of the one before; the result has the role function."""
    search = [d for d in deltas(Plan(lookups=("web_search",))) if d["phase"] == "web_search"]
    arguments = [d["function_call"]["arguments"] for d in search if "function_call" in d]
    assert all(later.startswith(earlier) for earlier, later in pairwise(arguments))
    assert json.loads(arguments[-1])
    assert search[-1]["role"] == "function"


def test_two_candidates_interleave() -> None:
    """Both are announced before either speaks, then they alternate, and only the first one's text is kept."""
    frames = render(Plan(text="abcdef", rival="uvwxyz", chunk=2), OPENING)
    whole = [json.loads(f.data[6:]) for f in frames]
    assert [f["response.created"]["response_index"] for f in whole[:2]] == ["0", "1"]
    assert [f["response_id"] for f in whole[2:6]] == ["b", "a", "b", "a"]
    assert "".join(f.text for f in frames) == "abcdef"


def test_without_an_output_schema_deltas_have_no_phase() -> None:
    """A request that does not ask for phases gets none."""
    opening = Opening(chat_id="c", user_id="u", response_id="a", phases=False)
    assert all("phase" not in d for d in deltas(Plan(text="x", reasoning="y"), opening))


def test_a_silent_answer_only_opens() -> None:
    """What a message with the role system gets: one frame."""
    assert len(render(Plan(opens_only=True, text="x"), OPENING)) == 1


def test_an_unfinished_answer_lacks_its_last_frame() -> None:
    """Without `finish` everything but the end is there."""
    assert render(Plan(text="x", finish=False), OPENING) == render(Plan(text="x"), OPENING)[:-1]


def test_a_stop_is_announced_in_a_frame() -> None:
    """`response.stopped` names the answer."""
    assert stopped("a") == b'data: {"response.stopped": {"response_id": "a"}}\n\n'


def test_tokens_are_a_quarter_of_the_bytes() -> None:
    """The count is rough, and never 0 for a text."""
    assert [tokens(text) for text in ("", "a", "abcd", "abcde", "巴黎")] == [0, 1, 1, 2, 2]
