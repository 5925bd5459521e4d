"""Agents end to end: read, edit, run, finish, in every dialect the model may fall into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import in_process
from tests.harness.sdk import sdk

BODY = "def f(x):\n    return \"<b>\" if x < 3 and x & 1 else '</content>'\n"


def tool(name: str, *keys: str) -> Any:
    properties = {key: {"type": "string"} for key in keys}
    schema = {"type": "object", "properties": properties, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": schema}}


TOOLS = [tool("read_file", "path"), tool("write_file", "path", "content"), tool("run", "command")]
STEPS = [
    ("read_file", {"path": "a.py"}),
    ("write_file", {"path": "a.py", "content": BODY}),
    ("run", {"command": "python a.py && echo <done>"}),
]


def hermes(name: str, arguments: dict[str, str]) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def coder(name: str, arguments: dict[str, str]) -> str:
    inside = "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{inside}</function>\n</tool_call>"


def coder_without_opener(name: str, arguments: dict[str, str]) -> str:
    return coder(name, arguments).removeprefix("<tool_call>\n")


def fence(name: str, arguments: dict[str, str]) -> str:
    return f"```json\n{json.dumps({'name': name, 'arguments': arguments}, indent=1)}\n```"


def bare(name: str, arguments: dict[str, str]) -> str:
    return json.dumps({"name": name, "arguments": arguments})


def invoke(name: str, arguments: dict[str, str]) -> str:
    inside = "".join(f'<parameter name="{key}">\n{value}\n</parameter>\n' for key, value in arguments.items())
    return f'<invoke name="{name}">\n{inside}</invoke>'


DIALECTS = [hermes, coder, coder_without_opener, fence, bare, invoke]


async def turn(client: AsyncOpenAI, history: list[Any], *, stream: bool) -> Any:
    """One request of an agent; its answer goes into the history as agents put it there."""
    if stream:
        async with client.chat.completions.stream(model="gpt-4o", messages=history, tools=TOOLS) as events:
            async for _ in events:
                pass
            answer = await events.get_final_completion()
    else:
        answer = await client.chat.completions.create(model="gpt-4o", messages=history, tools=TOOLS)  # type: ignore[assignment]  # one of two shapes of the same answer
    choice = answer.choices[0]
    message: dict[str, Any] = {"role": "assistant", "content": choice.message.content}
    if choice.message.tool_calls:
        # Re-serialised, as Roo, Cline, opencode and others do: the bridge's id is what identifies the message.
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": json.dumps(json.loads(call.function.arguments))},
            }
            for call in choice.message.tool_calls
        ]
    history.append(message)
    return choice


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("dialect", DIALECTS, ids=[dialect.__name__ for dialect in DIALECTS])
async def test_an_agent_reads_edits_runs_and_finishes(
    dialect: Any, stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Each call arrives whole and byte for byte, results go back, and all of it is one chat."""
    script = [{"text": f"I will do it.\n\n{dialect(name, arguments)}", "chunk": 3} for name, arguments in STEPS]
    simulator.script([*script, {"text": "All done."}])
    history: list[Any] = [{"role": "user", "content": "Fix a.py"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        for name, arguments in STEPS:
            choice = await turn(client, history, stream=stream)
            assert choice.finish_reason == "tool_calls"
            (call,) = choice.message.tool_calls
            assert call.function.name == name
            assert json.loads(call.function.arguments) == arguments
            assert "tool_call" not in (choice.message.content or "")
            history.append({"role": "tool", "tool_call_id": call.id, "content": f"result of {name}"})
        last = await turn(client, history, stream=stream)
    assert last.message.content == "All done."
    assert last.finish_reason == "stop"
    turns = simulator.ledger.to_json()["turns"]
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert "read_file" in turns[0]["message"]
    assert all("<tools>" not in turn["message"] for turn in turns[1:])
    assert "result of run" in turns[3]["message"]


async def test_a_cut_write_is_never_run(simulator: Simulator, tmp_path: Path) -> None:
    """A call that is not whole is told in a sentence, ends with `length`, and the next turn branches off before it."""
    whole = coder("write_file", {"path": "a.py", "content": BODY})
    simulator.script([{"text": "Hello."}, {"text": whole[: whole.index("return")]}, {"text": "Again."}])
    history: list[Any] = [{"role": "user", "content": "hi"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        await turn(client, history, stream=True)
        history.append({"role": "user", "content": "write it"})
        raw = await client.chat.completions.create(model="gpt-4o", messages=history, tools=TOOLS)
        choice = raw.choices[0]
        assert not choice.message.tool_calls
        assert choice.finish_reason == "length"
        assert "not run" in (choice.message.content or "")
        history += [{"role": "assistant", "content": choice.message.content}, {"role": "user", "content": "again"}]
        await turn(client, history, stream=True)
    turns = simulator.ledger.to_json()["turns"]
    assert turns[2]["parent_id"] == turns[0]["response_id"]
    assert "not run" in turns[2]["message"]
