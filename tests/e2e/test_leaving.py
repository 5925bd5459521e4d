"""Clients that leave, at every stage, and clients that do not read: Qwen is stopped, and nothing piles up."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from qwen_bridge.proxy import layer
from qwen_bridge.simulator.server import Simulator
from tests.e2e.test_clients import http2_wire
from tests.harness.wire import (
    CHAT,
    COMMENT,
    failure,
    question,
    request,
    road,
    said,
    text_of,
    until,
    until_forgotten,
    wire,
)

pytestmark = pytest.mark.usefixtures("no_errors_logged")

TOOLS = [{"type": "function", "function": {"name": "read_file", "parameters": {"type": "object", "properties": {}}}}]
CALL = "<tool_call>\n" + json.dumps({"name": "read_file", "arguments": {}}) + "\n</tool_call>\n"
FRAME = (
    'data: {"choices": [{"delta": {"role": "assistant", "content": "%s", "phase": "answer", "status": "typing"}}]}\n\n'
)
OPENED = 'data: {"response.created": {"chat_id": "c", "parent_id": "u", "response_id": "a"}}\n\n'


async def answered(client: httpx.AsyncClient) -> None:
    """Slot, place and account are free: the next request is answered."""
    assert text_of(await client.post(CHAT, json=question("next")))


async def test_a_client_that_leaves_before_the_first_byte_has_qwen_stopped(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Qwen has told no id yet: it is found in the chat, and the answer is stopped there instead of going on unheard."""
    simulator.script([{"text": "unheard", "fault": "slow_start", "delay": 30}])
    async with road(simulator, tmp_path, account_streams=1) as (proxy, client):
        asking = asyncio.create_task(client.post(CHAT, json=question(stream=True)))
        await until(lambda: simulator.world.running, "Qwen is asked")
        asking.cancel()
        await until(lambda: not simulator.world.running, "the chat is free")
        await until_forgotten(proxy)
        await answered(client)
    assert simulator.ledger.turns[0].aborted


async def test_a_client_hears_comments_while_its_chat_is_opened_and_may_leave(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The call for a new chat takes its time: the stream lives, and is given up as soon as its client has gone."""
    simulator.script([{"fault": "stall_before_headers", "on": "chats/new"}])
    async with road(simulator, tmp_path, keepalive=0.2, account_streams=1) as (proxy, client):
        async with client.stream("POST", CHAT, json=question(stream=True)) as answer:
            pieces = answer.aiter_raw()
            assert [await anext(pieces), await anext(pieces)] == [COMMENT, COMMENT]
        await until_forgotten(proxy)
        await answered(client)
    assert len(simulator.ledger.turns) == 1


async def test_a_client_that_breaks_off_behind_a_call_frees_the_chat(simulator: Simulator, tmp_path: Path) -> None:
    """As Cline does once a tool has run: the answer is stopped, and the next turn goes on from its question.

    It tells what the client has seen of the answer, and nothing that stands in the chat already.
    """
    simulator.script([{"text": "Hello."}, {"text": CALL + "and so on " * 200, "chunk": 8, "pace": 40}])
    talk: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    async with road(simulator, tmp_path) as (proxy, client):
        body = {"model": "gpt-4o", "tools": TOOLS, "messages": talk}
        assert text_of(await client.post(CHAT, json=body)) == "Hello."
        talk += [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Read it"}]
        raw = b""
        async with client.stream("POST", CHAT, json={**body, "stream": True}) as answer:
            async for piece in answer.aiter_raw():
                raw += piece
                if b'"read_file"' in raw and raw.endswith(b"\n\n"):
                    break
        await until(lambda: not simulator.world.running, "the chat is free")
        await until_forgotten(proxy)
        ids = [json.loads(line[6:]) for line in raw.split(b"\n\n") if b'"tool_calls"' in line]
        call = ids[0]["choices"][0]["delta"]["tool_calls"][0]
        talk += [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{**call, "function": {"name": "read_file", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": call["id"], "content": "the file"},
        ]
        assert text_of(await client.post(CHAT, json=body))
    first, broken, last = simulator.ledger.turns
    assert broken.aborted
    assert last.chat_id == first.chat_id
    heard = [said["content"] for said in last.context]
    assert heard == [first.message, "Hello.", broken.message]
    assert "the file" in last.message
    assert '"read_file"' in last.message
    assert "Read it" not in last.message
    assert "and so on" not in "".join([*heard, last.message])


# -- slow readers ---------------------------------------------------------------------------------------------------


def long_answer(megabytes: int) -> dict[str, Any]:
    """An answer of many frames, sent as fast as it is taken."""
    frame = FRAME % ("x" * 4000)
    return {"raw": OPENED + frame * (megabytes * 1024 * 1024 // len(frame))}


async def test_a_client_that_does_not_read_holds_qwen_back(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The socket is full, so no more is taken from Qwen; after `client_timeout` it is over, and Qwen told to stop.

    Qwen is not blamed, however short the silence that it is allowed.
    """
    caplog.set_level(logging.INFO, "qwen_bridge")
    simulator.script([long_answer(30)])
    chosen = {"idle_timeout": 0.5, "client_timeout": 2.0, "keepalive": 0.1}
    async with road(simulator, tmp_path, **chosen) as (proxy, http), wire(proxy.port) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send(request(question(stream=True), host="bridge"))
        await until(lambda: simulator.ledger.turns, "Qwen is asked")
        await until_forgotten(proxy)
        await until(lambda: not simulator.world.running, "the chat is free")
        counted = (await http.get("/metrics")).text
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        _, body = await client.answer()
    assert len(body) < 20 * 1024 * 1024
    assert failure(body) == "client_stalled"
    assert COMMENT not in body[-1000:], "it has enough to read"
    assert 'faults_total{action="give_up",code="client_stalled"} 1.0' in counted
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("event='turn'")]
    assert ["outcome='client_stalled'" in line for line in lines] == [True]
    assert said(body).strip("x") == ""


async def test_a_reset_beside_the_end_of_the_request_is_heard(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HTTP/2 client that changes its mind at once: mitmproxy loses a reset in the same segment as the request."""
    async with road(simulator, tmp_path) as (proxy, plain), http2_wire(proxy) as client:
        with monkeypatch.context() as held:
            held.setattr(client, "_flush", lambda: None)
            stream = client.ask(question(stream=True))
        client.reset(stream)
        await answered(plain)
        await until_forgotten(proxy)
    assert [turn.message for turn in simulator.ledger.turns] == ["next"]


async def test_an_http2_client_that_opens_no_window_is_given_up(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mitmproxy would keep all of an answer that one of many streams does not take: it ends, and Qwen is stopped."""
    monkeypatch.setattr(layer, "BACKLOG", 256 * 1024)
    simulator.script([{"text": "x" * 2_000_000, "chunk": 4000, "pace": 400}])
    async with road(simulator, tmp_path) as (proxy, plain), http2_wire(proxy) as client:
        stream = client.ask(question(stream=True))
        await until(lambda: simulator.ledger.turns, "Qwen is asked")
        await until(lambda: not simulator.world.running, "Qwen is stopped")
        await client.read(lambda: stream in client.ended)
        assert failure(client.bodies[stream]) == "client_stalled"
        assert 256 * 1024 < len(client.bodies[stream]) < 1_000_000
        await until_forgotten(proxy)
        await answered(plain)
