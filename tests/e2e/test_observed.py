"""What the bridge says of its work agrees with itself: header, log and counters."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.observe.turns import Course
from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import in_process
from tests.harness.scrape import samples
from tests.harness.wire import CHAT, question, request, road, until_forgotten, wire

HEADER = "x-qwen-bridge-conversation"


async def held(client: httpx.AsyncClient, history: list[Any], words: str) -> httpx.Response:
    """One turn; the history grows by question and answer."""
    history.append({"role": "user", "content": words})
    answer = await client.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": history}, timeout=20)
    if answer.status_code == 200:
        history.append(answer.json()["choices"][0]["message"])
    return answer


async def test_header_log_and_counters_agree(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Hits, a miss, a new chat, a reset after a refused parent, a refused request: told in three places alike."""
    caplog.set_level(logging.INFO)
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        assert proxy.addon is not None
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            history: list[Any] = []
            answers = [await held(client, history, f"question {number}") for number in range(3)]
            foreign: list[Any] = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "never said"}]
            answers.append(await held(client, foreign, "Go on."))
            simulator.script([{"fault": "parent_not_exist"}])
            answers.append(await held(client, history, "And now?"))
            empty = await client.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": []})
        await until_forgotten(proxy)  # the last turn is counted when its client has its answer already
        found = samples(proxy.addon._metrics)
    headers = [answer.headers[HEADER] for answer in answers]
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event='turn'")]
    logged = [re.search(r" conversation='([^']*)'", line) for line in lines]
    assert [match[1] for match in logged if match] == [*headers, "none"]
    courses = [Course.of(words) for words in headers]
    assert [course.kind for course in courses] == ["new", "hit", "hit", "miss", "reset"]
    turns = Counter((course.kind, course.reason) for course in courses)
    counted = {
        (kind, reason): found[f'qwen_bridge_turns_total{{conversation="{kind}",reason="{reason}"}}']
        for kind, reason in turns
    }
    assert counted == turns
    assert found["qwen_bridge_messages_saved_total"] == sum(course.messages for course in courses)
    assert found["qwen_bridge_bytes_saved_total"] == sum(course.size for course in courses)
    assert found["qwen_bridge_asks_total"] == len(headers) + 1
    assert found['qwen_bridge_faults_total{action="restart_chat",code="qwen_parent_refused"}'] == 1
    assert empty.headers["x-request-id"] in lines[-1]
    assert found['qwen_bridge_requests_total{outcome="empty_array",route="chat_completions",status="400"}'] == 1
    assert found["qwen_bridge_turn_seconds_count"] == len(lines)


async def test_what_is_turned_away_is_counted(simulator: Simulator, tmp_path: Path) -> None:
    """A wrong key, bytes that are no well-formed HTTP, a body that is no JSON: requests and faults, never turns."""
    async with road(simulator, tmp_path, client_keys="anna=a-key-of-some-length") as (proxy, http):
        answers = [await http.post(CHAT, json=question(), headers={"authorization": "Bearer wrong"}) for _ in range(3)]
        key = {"authorization": "Bearer a-key-of-some-length"}
        answers.append(await http.post(CHAT, content=b"{", headers=key))
        async with wire(proxy.port) as client:
            client.send(request(question(), host="bridge", content_length="3", transfer_encoding="chunked", **key))
            malformed = await client.rest()
        await until_forgotten(proxy)
        assert proxy.addon is not None
        found = samples(proxy.addon._metrics)
    assert [answer.status_code for answer in answers] == [401, 401, 401, 400]
    assert malformed.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: req_" in malformed
    for code, route, status, number in (
        ("invalid_api_key", "unknown", 401, 3),
        ("invalid_request", "chat_completions", 400, 1),
        ("invalid_request", "unknown", 400, 1),
    ):
        assert found[f'qwen_bridge_requests_total{{outcome="{code}",route="{route}",status="{status}"}}'] == number
    assert found['qwen_bridge_faults_total{action="give_up",code="invalid_api_key"}'] == 3
    assert found['qwen_bridge_faults_total{action="give_up",code="invalid_request"}'] == 2
    assert not [name for name in found if name.startswith("qwen_bridge_turns_total")]
    assert not simulator.ledger.turns
