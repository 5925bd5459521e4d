"""`kill -9` at random moments of a conversation: what is remembered afterwards is true, and the file opens.

`scripts/contexts --kill` does it for 200 turns.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import httpx

from qwen_bridge.bridge.conversations import DATABASE
from qwen_bridge.store.sqlite import SQLiteStore
from tests.harness.effective import context_of, history_of
from tests.harness.ports import FixedClock
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.wire import said

TURNS = int(os.environ.get("KILL_TURNS", "10"))
KILLS_EVERY = 2
"""A kill in one of so many turns, on average."""


async def turn(proxy: Proxy, history: list[dict[str, Any]], kill_after: float | None) -> str | None:
    """One request; the bridge is killed so many seconds after it was sent. The answer, or None when it broke off."""

    async def ask() -> str | None:
        request = {"model": "gpt-4o", "messages": history, "stream": True}
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=30) as http:
            try:
                told = await http.post("/v1/chat/completions", json=request)
            except httpx.TransportError:
                return None
        return said(told.content) if told.content.endswith(b"data: [DONE]\n\n") else None

    asking = asyncio.create_task(ask())
    if kill_after is not None:
        await asyncio.wait({asking}, timeout=kill_after)
        assert proxy.process is not None
        proxy.process.kill()
        proxy.process.wait()
    return await asking


async def test_no_moment_of_death_leaves_a_wrong_anchor(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """The client asks again after each kill; every answer is given in its own history, and every anchor is a node."""
    chance = random.Random(TURNS)
    history: list[dict[str, Any]] = []
    asked: list[Any] = []
    answered = kills = 0
    while answered < TURNS:
        with mitmdump(qwen.url, tmp_path) as proxy:
            alive = True
            while alive and answered < TURNS:
                if not history or history[-1]["role"] == "assistant":
                    history.append({"role": "user", "content": f"question {answered}, count to 30"})
                asked.append(history_of(history))
                qwen.script({"text": f"answer {answered} " * 8, "chunk": 4, "pace": 200})
                alive = chance.randrange(KILLS_EVERY) > 0
                kills += not alive
                text = await turn(proxy, history, None if alive else chance.uniform(0.0, 0.3))
                if text is not None:
                    history.append({"role": "assistant", "content": text})
                    answered += 1
        if len(history) > 20:
            history = []
    turns = qwen.turns
    assert kills > 0
    assert [context for context in map(context_of, turns) if context not in asked] == []
    store = SQLiteStore(tmp_path / DATABASE, FixedClock())
    anchors = [anchor for chat in await store.chats(TURNS) for anchor in await store.anchors_of(chat.chat_id)]
    await store.close()
    nodes = {(turn["chat_id"], turn["response_id"]): turn for turn in turns}
    assert anchors
    assert all(nodes[anchor.chat_id, anchor.parent_id]["answer"].endswith(" ") for anchor in anchors)
