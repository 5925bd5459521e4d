"""Recorded Qwen streams through a real mitmproxy: the same OpenAI output however the bytes arrive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.simulator.server import Simulator
from tests.conformance.invariants import check_stream
from tests.harness.proxy import client, in_process
from tests.harness.shared import QWEN, needs_shared

CAPTURES = sorted(QWEN.glob("*.sse"))
NAMES = [path.stem[:40] for path in CAPTURES]
CUTS = ["whole", "byte", "random:1", "random:2", "random:3"]


def told(raw: bytes) -> list[Any]:
    """What a stream says, without what differs from answer to answer: id and time."""
    events = [line[6:] for line in raw.decode().split("\n") if line.startswith("data: ")]
    said: dict[str, Any] = {"content": "", "reasoning_content": "", "ends": []}
    for event in events:
        if event == "[DONE]":
            said["ends"].append(event)
            continue
        chunk = json.loads(event)
        for choice in chunk.get("choices", []):
            for name in ("content", "reasoning_content"):
                said[name] += choice["delta"].get(name) or ""
            said["ends"] += [choice["finish_reason"]] if choice["finish_reason"] else []
        said["ends"] += [chunk[name] for name in ("usage", "error") if chunk.get(name)]
    return [said["content"], said["reasoning_content"], *said["ends"]]


@needs_shared
@pytest.mark.parametrize("capture", [path.read_text(encoding="utf-8") for path in CAPTURES], ids=NAMES)
async def test_a_capture_reads_the_same_however_it_is_cut(capture: str, simulator: Simulator, tmp_path: Path) -> None:
    """Whole, byte by byte and at random cuts, streamed and not: one and the same answer."""
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
    streamed = {**request, "stream": True, "stream_options": {"include_usage": True}}
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        answers = []
        for cut in CUTS:
            simulator.script([{"raw": capture, "cut": cut}])
            answer = await http.post("/v1/chat/completions", json=streamed)
            assert answer.status_code == 200, answer.text
            assert check_stream(answer.content, include_usage=True) == []
            answers.append(told(answer.content))
        simulator.script([{"raw": capture, "cut": "random:4"}])
        whole = (await http.post("/v1/chat/completions", json=request)).json()
    assert all(answer == answers[0] for answer in answers)
    assert whole["choices"][0]["message"]["content"] == answers[0][0]
    assert whole["choices"][0]["message"].get("reasoning_content", "") == answers[0][1]
    assert answers[0][-1] == "[DONE]"
