"""Random bytes as Qwen's answer, through a real mitmproxy: a legal stream, a legal answer or a legal error."""

from __future__ import annotations

import asyncio
import base64
import logging
from pathlib import Path

import httpx
import orjson
import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings
from tests.conformance.invariants import check_body, check_error, check_stream
from tests.fuzz.answers import case
from tests.fuzz.shares import CASES as SHARES
from tests.harness.proxy import client, in_process

CASES = SHARES["Qwen's bytes, proxy"]
AT_ONCE = 8
HANGS = 60.0
"""Seconds after which an answer is taken for one that never ends; a case takes milliseconds."""


def judge(answer: httpx.Response, streamed: bool) -> list[str]:
    """What is illegal about an answer; nothing, if all is well."""
    if answer.status_code != 200:
        return check_error(answer.status_code, dict(answer.headers), answer.content)
    if not streamed:
        return check_body(orjson.loads(answer.content))
    # By its last bytes: the words of an answer may hold any mark.
    ended = answer.content.endswith(b"data: [DONE]\n\n")
    return check_stream(answer.content, include_usage=True, expect_error=not ended)


@pytest.mark.timeout(3600)
async def test_whatever_qwen_sends_the_client_gets_something_legal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No exception, no hang, no illegal byte, for any bytes."""
    caplog.set_level(logging.ERROR)
    wrong: list[str] = []
    cases = iter(range(CASES))
    async with (
        Simulator(settings=Settings(max_streams=None)) as simulator,
        in_process(simulator.url, tmp_path, store="memory", attempts=1, account_streams=0) as proxy,
    ):

        async def worker() -> None:
            async with client(proxy) as http:
                for seed in cases:
                    problems = await one(http, simulator, seed)
                    wrong.extend(f"case {seed}: {problem}" for problem in problems)

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    assert not wrong, "\n".join(wrong[:20])
    assert [record.getMessage() for record in caplog.records] == []


async def one(http: httpx.AsyncClient, simulator: Simulator, seed: int) -> list[str]:
    """One case. The question carries the seed, so that no case continues another's conversation."""
    streamed = seed % 3 != 0
    # Taken in the order of the requests: with several workers it may be another worker's; every one is judged alike.
    cut = ["whole", f"random:{seed}", "byte"][seed % 3] if seed % 30 else "byte"
    simulator.script([{"raw_b64": base64.b64encode(case(seed)).decode(), "cut": cut}])
    request = {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": f"case {seed}"}],
        "stream": streamed,
        **({"stream_options": {"include_usage": True}} if streamed else {}),
    }
    try:
        # Of the whole answer: comments that keep a connection alive would feed a limit on silence for ever.
        answer = await asyncio.wait_for(http.post("/v1/chat/completions", json=request), HANGS)
    except httpx.HTTPError as error:
        return [f"no HTTP answer: {error!r}"]
    except TimeoutError:
        return [f"no end within {HANGS} seconds"]
    return judge(answer, streamed)
