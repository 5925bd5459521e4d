"""The load, straight against the upstream it is made for."""

from __future__ import annotations

import json
import os

import pytest

from qwen_bridge.simulator.world import Settings
from tests.bench.lanes import post
from tests.bench.load import Job, LoadError, Sample, carry_out
from tests.bench.upstream import STAMP, StampingSimulator, speech
from tests.harness.qwen_browser import COMPLETIONS, HEADERS, browser_at, completion


async def load(script: dict[str, object], *, streams: int = 3, pieces: int = 20, tls: bool = False) -> Sample:
    """So many streams at once against a simulator in this process."""
    pace = script.get("pace")
    settings = Settings(max_streams=None)
    async with StampingSimulator(tls=tls, settings=settings) as simulator, browser_at(simulator) as browser:
        simulator.script([{"text": speech(20), "chunk": len(STAMP), **script}] * streams)
        chats = [await browser.new_chat() for _ in range(streams)]
        requests = [post(f"{COMPLETIONS}?chat_id={chat}", HEADERS, completion(chat, "Go on.")) for chat in chats]
        assert pace is None or isinstance(pace, float)
        return await carry_out(Job(simulator.port, tls, requests, pieces, pace, 0.0, os.getpid()))


@pytest.mark.parametrize("tls", [False, True])
async def test_a_paced_load_counts_events_and_time(tls: bool) -> None:
    """The window holds pieces of every stream, some time and some computing; delays and the first event are known."""
    sample = await load({"pace": 50.0}, tls=tls)
    assert 3 <= sample.events <= 60
    assert sample.seconds > 0
    assert sample.processor is not None
    assert sample.processor > 0
    assert sample.late_50 <= sample.late_99


async def test_a_flood_counts_everything() -> None:
    """Without a pace every piece counts, and nothing has a delay."""
    sample = await load({"pace": None})
    assert (sample.events, sample.late_50, sample.late_99) == (60, 0.0, 0.0)


@pytest.mark.parametrize(
    ("script", "pieces", "said"),
    [
        ({"fault": "rate_limited_v2"}, 20, "after 0 of 20.*RateLimited"),
        ({"fault": "http_503"}, 20, "after 0 of 20"),
        ({"fault": "reset_mid_stream"}, 20, "of 20 pieces"),
        ({"text": speech(7)}, 20, "after 7 of 20"),
        ({"text": speech(7).replace("#000003", "#000004")}, 7, "after 3 of 7"),
    ],
    ids=["refused", "unavailable", "reset", "short", "out of order"],
)
async def test_a_load_that_is_not_whole_measures_nothing(script: dict[str, object], pieces: int, said: str) -> None:
    """A refusal, a missing end and a piece out of order are errors that show what came instead."""
    with pytest.raises(LoadError, match=said):
        await load(script, streams=1, pieces=pieces)


def test_requests_are_whole_http() -> None:
    """The length that a request names is that of its body."""
    head, _, body = post("/v1/x", {"authorization": "Bearer k"}, {"text": "Größe"}).partition("\r\n\r\n")
    assert f"content-length: {len(body.encode())}" in head
    assert json.loads(body) == {"text": "Größe"}
