"""Clients that talk through a bridge to a simulated Qwen, each answer held against the context it was given in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import httpx

from qwen_bridge.simulator.server import Simulator
from tests.harness.effective import context_of, history_of
from tests.harness.wire import said

type Message = dict[str, Any]

NOTE = "\n\n[Response interrupted by user feedback]"
SYSTEM = "You are an agent. " * 60


def user(*texts: str) -> Message:
    """A question: a string, or parts where there are several."""
    if len(texts) == 1:
        return {"role": "user", "content": texts[0]}
    return {"role": "user", "content": [{"type": "text", "text": text} for text in texts]}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def call(call_id: str, arguments: str = '{"path": "a", "n": 1}') -> Message:
    function = {"name": "read_file", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def result(call_id: str, text: str = "text of a") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


class Talk:
    """Clients of one bridge. Every turn is held against the ledger; `routes` says where the turns went."""

    def __init__(self, simulator: Simulator, http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.http = http
        self.routes: list[str] = []
        self.sent: list[int] = []
        """Questions that Qwen was asked for each turn."""

    async def ask(self, history: Sequence[Message], *answers: str, system: str = SYSTEM, **more: Any) -> Message:
        """One turn; the answer as the client keeps it. `fault` is what happens to it. With `tools` it is not streamed,
        and what Qwen says may be more than one answer, when the bridge asks again.
        """
        fault, key = more.pop("fault", None), more.pop("key", "sk-mine")
        broken = {"fault": fault, "after": 5} if fault else {}
        answers = answers or ("So it is.",)
        self.simulator.script([{"text": answer, "chunk": 4, **broken} for answer in answers])
        messages = [{"role": "system", "content": system}, *history]
        request = {"model": "gpt-4o", "messages": messages, "stream": "tools" not in more, **more}
        before = len(self.simulator.ledger.turns)
        told = await self.http.post("/v1/chat/completions", json=request, headers={"authorization": f"Bearer {key}"})
        assert told.status_code == 200, told.text
        self.routes.append(re.sub(r" (saved|file)=\d+", "", told.headers["x-qwen-bridge-conversation"]))
        turns = self.simulator.ledger.to_json()["turns"][before:]
        self.sent.append(len(turns))
        for turn in turns:
            assert context_of(turn) == history_of(messages), "an answer was given in a wrong context"
        if "tools" in more:
            assert len(turns) == len(answers)
            message: Message = told.json()["choices"][0]["message"]
            return message
        text = said(told.content)
        assert fault or (text,) == answers
        return assistant(text)
