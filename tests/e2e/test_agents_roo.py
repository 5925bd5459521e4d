"""Roo Code 3.36 as recorded, turn by turn through a real mitmdump: its requests, and answers in every form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from qwen_bridge.toolcalls.client_reader import read_answer
from qwen_bridge.toolcalls.write_xml import CLIENT_PARAMETERS
from tests.e2e.test_agents_xml import XML_SLIPS, two_at_once
from tests.harness.proxy import Proxy, client
from tests.harness.shared import CLIENTS, needs_shared
from tests.harness.simulate import RemoteSimulator
from tests.harness.slips import SLIPS, WRITTEN, Slip, said
from tests.harness.wire import said as streamed_text

RECORDED = ["roo-code-3.36-xml", "roo-code-3.36-xml-edit"]
TOOLS = {
    name: CLIENT_PARAMETERS
    for name in (
        *("read_file", "fetch_instructions", "search_files", "list_files", "apply_diff", "write_to_file"),
        *("browser_action", "execute_command", "ask_followup_question", "attempt_completion", "switch_mode"),
        *("new_task", "update_todo_list", "use_mcp_tool", "access_mcp_resource", "codebase_search"),
    )
}
"""What the parser of Roo 3.36 knows, whichever of them its prompt describes (clients.md A1)."""

pytestmark = [needs_shared, pytest.mark.parametrize("recorded", RECORDED)]


class Turn(NamedTuple):
    """A recorded request, and what it was answered with: text, and the tool in it."""

    headers: Mapping[str, str]
    body: dict[str, Any]
    text: str
    call: tuple[str, dict[str, str]]


def turns_of(name: str) -> list[Turn]:
    """The recorded requests whose answer is known, because the next request holds it."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((CLIENTS / name).glob("*.json"))]
    turns = []
    for now, following in pairwise(files):
        text = following["body"]["messages"][len(now["body"]["messages"])]["content"]
        (call,) = read_answer(text, TOOLS)
        headers = {key: value for key, value in now["headers"] if key.lower() in ("user-agent", "x-title")}
        turns.append(Turn(headers, now["body"], text, (call.name, dict(call.values))))
    return turns


class Replay:
    """Roo's side of a conversation. What it was told stands in its next requests in the place of what was recorded."""

    def __init__(self, proxy: Proxy) -> None:
        self.told: list[str] = []
        self.routes: list[str] = []
        self._proxy = proxy

    async def ask(self, turn: Turn) -> str:
        """One recorded request; the text of its answer."""
        messages = [dict(message) for message in turn.body["messages"]]
        answers = [message for message in messages if message["role"] == "assistant"]
        for message, text in zip(answers, self.told, strict=True):
            message["content"] = text
        async with client(self._proxy) as http:
            answer = await http.post(
                "/v1/chat/completions", json={**turn.body, "messages": messages}, headers=turn.headers
            )
        assert answer.status_code == 200, answer.text
        self.routes.append(answer.headers["x-qwen-bridge-conversation"].split()[0])
        return streamed_text(answer.content)


def executed(text: str) -> list[tuple[str, dict[str, str]]]:
    """What Roo would run. Blanks between the elements of `args` are nothing to its XML reader."""
    return [meant((call.name, dict(call.values))) for call in read_answer(text, TOOLS)]


def meant(call: tuple[str, dict[str, str]]) -> tuple[str, dict[str, str]]:
    name, values = call
    return name, {key: re.sub(r"\s+(?=<)|(?<=>)\s+", "", v) if key == "args" else v for key, v in values.items()}


def check_thread(replay: Replay, qwen: RemoteSimulator) -> None:
    """One chat, each request at the node of the answer before."""
    turns = qwen.turns
    assert replay.routes == ["new", *["hit"] * (len(replay.routes) - 1)]
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert not any("<tools>" in turn["message"] for turn in turns)


async def test_what_was_recorded_passes_as_it_is(recorded: str, ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """The recorded answers arrive unchanged, so that the recorded requests, to the byte, find their nodes."""
    turns = turns_of(recorded)
    qwen.script(*({"text": turn.text, "chunk": 5} for turn in turns))
    replay = Replay(ways["base URL"])
    for turn in turns:
        assert (await replay.ask(turn)).strip() == turn.text
        replay.told.append(turn.text)
    check_thread(replay, qwen)


@pytest.mark.parametrize("dialect", WRITTEN)
async def test_every_dialect_becomes_roos_own(
    dialect: str, recorded: str, ways: dict[str, Proxy], qwen: RemoteSimulator
) -> None:
    """Roo runs what is meant, whatever form the model writes, and its next request finds the node."""
    turns = turns_of(recorded)
    qwen.script(*(said(WRITTEN[dialect](*turn.call))[0] for turn in turns))
    replay = Replay(ways["base URL"])
    for turn in turns:
        replay.told.append(await replay.ask(turn))
        assert executed(replay.told[-1]) == [meant(turn.call)]
    check_thread(replay, qwen)


@pytest.mark.parametrize("slip", [*SLIPS, *XML_SLIPS], ids=lambda slip: slip.__name__)
async def test_every_slip(slip: Slip, recorded: str, ways: dict[str, Proxy], qwen: RemoteSimulator) -> None:
    """Roo, which runs whatever looks like a tool at the end of a stream, finds the one that is meant, or none."""
    turns = turns_of(recorded)
    prepared = [slip(*turn.call) for turn in turns]
    replay = Replay(ways["base URL"])
    for turn, answers in zip(turns, prepared, strict=True):
        qwen.script(*answers)
        before = len(qwen.turns)
        text = await replay.ask(turn)
        if len(answers) == 2 and len(qwen.turns) == before + 1:  # not asked again by the bridge
            assert executed(text) == []
            text = await replay.ask(turn)  # as after "retry" in the editor
        replay.told.append(text)
        first, *others = executed(text)
        assert first == meant(turn.call)
        assert bool(others) == (slip is two_at_once)  # these Roo does not run: it takes one tool in a message
    if all(len(answers) == 1 for answers in prepared):
        check_thread(replay, qwen)
