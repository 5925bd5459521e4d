"""Tool loops of the model's own calls, and the context each answer is then given in: calls, results, and what broke.

The ledger holds each call as the model wrote it, in the form that it was taught. Read back from there, every answer
must have been given in the client's own history, however the client writes the calls that it sends again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.simulator.dialects import write_call
from qwen_bridge.simulator.server import Simulator
from tests.harness.effective import Part, context_of
from tests.harness.proxy import client, in_process
from tests.harness.talk import Message, Talk, result, user

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "limit": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": SCHEMA}}
    for name in ("read_file", "list_files")
]
MODELS = {"hermes": "qwen3-max", "qwen_xml": "qwen3-coder-plus"}
"""A model that is taught each form."""

BODY = 'if x < 3 and x & 1:\n\treturn "<b>"  # </tool_response> &lt;'
NEW, UNKNOWN = "new", "miss reason=unknown_history"

taught = pytest.mark.parametrize("form", MODELS)


def arguments(path: str) -> dict[str, Any]:
    return {"path": path, "limit": 10}


def written(form: str, *paths: str, name: str = "read_file") -> str:
    return "\n".join(write_call(form, name, arguments(path)) for path in paths)


def reversed_keys(text: str) -> str:
    """As Roo, Cline and others do: the same value in other bytes."""
    return json.dumps(dict(reversed(json.loads(text).items())), indent=4)


def echoed(message: Message, words: Callable[[str], str] = reversed_keys) -> Message:
    """The answer as a client keeps it, its arguments written anew."""
    calls = [
        {**call, "function": {**call["function"], "arguments": words(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {"role": "assistant", "content": message["content"], "tool_calls": calls}


def results(message: Message, text: str = BODY) -> list[Message]:
    return [result(call["id"], f"{text} {at}") for at, call in enumerate(message["tool_calls"])]


class Loop:
    """An agent with one history. `step` is a turn whose answer calls tools, which then give their results."""

    def __init__(self, talk: Talk, form: str) -> None:
        self.talk = talk
        self.form = form
        self.history: list[Message] = [user("Do it.")]

    async def ask(self, *answers: str, **more: Any) -> Message:
        return await self.talk.ask(self.history, *answers, tools=TOOLS, model=MODELS[self.form], **more)

    async def step(self, *paths: str, before: str = "") -> None:
        answer = await self.ask(before + written(self.form, *paths))
        assert [json.loads(call["function"]["arguments"]) for call in answer["tool_calls"]] == [
            arguments(path) for path in paths
        ]
        self.history += [echoed(answer), *results(answer)]


@taught
async def test_a_loop_is_one_chat(form: str, simulator: Simulator, tmp_path: Path) -> None:
    """One call, a call behind words, two calls at once, and the end: each turn brings only the results."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        await loop.step("a.py")
        await loop.step("b.py", before="Now the other.\n\n")
        await loop.step("c.py", "d.py")
        loop.history += [await loop.ask("Done."), user("Thanks.")]
        await loop.ask("Gladly.")
    turns = simulator.ledger.turns
    assert loop.talk.routes == [NEW, *(f"hit depth={n}/{m}" for n, m in ((2, 3), (4, 5), (6, 8), (9, 10)))]
    assert [turn.parent_id for turn in turns] == [None, *(turn.response_id for turn in turns[:-1])]
    assert all("a.py" not in turn.message for turn in turns[1:])


@taught
async def test_a_loop_goes_on_in_a_new_chat(form: str, simulator: Simulator, tmp_path: Path) -> None:
    """The chat is deleted, or its history edited: calls and results stand in the new one as they were."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        await loop.step("a.py", "b.py")
        simulator.world.chats.clear()
        await loop.step("c.py")
        loop.history[0] = user("Do it well.")
        await loop.step("d.py")
        loop.history[2] = result(loop.history[2]["tool_call_id"], "[[NOTE] This file read has been removed.]")
        await loop.ask("Done.")
    assert loop.talk.routes == [NEW, "reset reason=chat_gone", UNKNOWN, UNKNOWN]


@taught
async def test_forks_of_a_loop_keep_apart(form: str, simulator: Simulator, tmp_path: Path) -> None:
    """From one call on with two results; then on from both."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        await loop.step("a.py")
        other = Loop(loop.talk, form)
        other.history = [*loop.history[:-1], result(loop.history[-1]["tool_call_id"], "no such file")]
        for one in (loop, other, loop, other):
            await one.step("b.py")
    assert loop.talk.routes == [NEW, *["hit depth=2/3"] * 2, *["hit depth=4/5"] * 2]


CUT = {
    "hermes": '<tool_call>\n{"name": "read_file", "arguments": {"path": "a.p',
    "qwen_xml": "<tool_call>\n<function=read_file>\n<parameter=path>\na.p",
}


@taught
async def test_a_call_that_is_asked_for_again_is_one_turn(form: str, simulator: Simulator, tmp_path: Path) -> None:
    """The bridge asks twice by itself, both times in the client's history, and the loop goes on from the second."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        answer = await loop.ask(CUT[form], written(form, "a.py"))
        loop.history += [echoed(answer), *results(answer)]
        await loop.ask("Done.")
    first, second, last = simulator.ledger.turns
    assert (loop.talk.routes, loop.talk.sent) == ([NEW, "hit depth=2/3"], [2, 1])
    assert (first.chat_id, first.parent_id) == (second.chat_id, second.parent_id)
    assert last.parent_id == second.response_id


@taught
async def test_a_call_that_did_not_run_is_noted_where_it_happened(
    form: str, simulator: Simulator, tmp_path: Path
) -> None:
    """Cut twice: the next turn goes on from the question, with the model's words and a note, in this chat and any."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        await loop.step("a.py")
        withheld = await loop.ask(*[f"I will look.\n\n{CUT[form]}"] * 2)
        assert "was not run" in withheld["content"]
        loop.history += [withheld, user("Again.")]
        await loop.step("b.py")
        simulator.world.chats.clear()
        await loop.ask("Done.")
    assert loop.talk.routes == [NEW, "hit depth=2/3", "hit depth=3/5 broken_off", "reset reason=chat_gone"]
    assert loop.talk.sent == [1, 2, 1, 1]
    parts = context_of(simulator.ledger.to_json()["turns"][-1]).parts
    assert parts[3:6] == [Part("assistant", "I will look."), Part("note", "read_file"), Part("user", "Again.")]


@taught
async def test_tools_that_change_or_go_are_no_other_conversation(
    form: str, simulator: Simulator, tmp_path: Path
) -> None:
    """Another tool is told, no tools at all for one turn are not: the chat stays the same."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), form)
        await loop.step("a.py")
        loop.history += [await loop.ask("Done.", tool_choice="none"), user("More.")]
        more: Mapping[str, Any] = {"tools": [*TOOLS, {**TOOLS[0], "function": {"name": "run", "parameters": SCHEMA}}]}
        answer = await loop.talk.ask(loop.history, written(form, "b", name="run"), model=MODELS[form], **more)
        loop.history += [echoed(answer), *results(answer)]
        await loop.talk.ask(loop.history, "Done.", model=MODELS[form], **more)
    told = ["<tools>" in turn.message for turn in simulator.ledger.turns]
    assert loop.talk.routes == [NEW, "hit depth=2/3", "hit depth=4/5", "hit depth=6/7"]
    assert told == [True, False, True, False]


async def test_a_lost_result_would_be_seen(simulator: Simulator, tmp_path: Path) -> None:
    """Read under another name, or not at all, a result fails the comparison."""
    async with in_process(simulator.url, tmp_path, store="memory") as proxy, client(proxy) as http:
        loop = Loop(Talk(simulator, http), "hermes")
        await loop.step("a.py")
        await loop.ask("Done.")
    turn = simulator.ledger.to_json()["turns"][-1]
    assert Part("result read_file", f"{BODY} 0") in context_of(turn).parts
    renamed = {
        **turn,
        "message": turn["message"].replace("<tool_response>\nread_file:", "<tool_response>\nlist_files:"),
    }
    with pytest.raises(AssertionError, match="shown as one of list_files"):
        context_of(renamed)
