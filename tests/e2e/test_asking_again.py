"""A broken, a missing and an intercepted call, end to end: how often Qwen is asked, in which words, and where."""

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


async def turn(client: AsyncOpenAI, history: list[Any], *, stream: bool, tool_choice: Any = "auto") -> Any:
    """One request of an agent; its answer goes into the history as agents put it there."""
    if stream:
        async with client.chat.completions.stream(
            model="gpt-4o", messages=history, tools=TOOLS, tool_choice=tool_choice
        ) as events:
            async for _ in events:
                pass
            answer = await events.get_final_completion()
    else:
        answer = await client.chat.completions.create(  # type: ignore[assignment]  # one of two shapes of the same answer
            model="gpt-4o", messages=history, tools=TOOLS, tool_choice=tool_choice
        )
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


CUT = coder("write_file", {"path": "a.py", "content": BODY}).partition("return")[0]
NOT_RUN = "Your last call to write_file was cut off and was NOT run."


@pytest.mark.parametrize("restarted", [False, True], ids=["same bridge", "restarted"])
async def test_a_cut_write_is_never_run(restarted: bool, simulator: Simulator, tmp_path: Path) -> None:
    """A call that is cut twice is told in a sentence, ends with `length`, and the next turn goes on from the question.

    There the model hears once that it was not run, and nothing of it in its own words; later turns hear nothing.
    """
    simulator.script([{"text": text} for text in ("Hello.", CUT, CUT, "Again.", "Done.")])
    history: list[Any] = [{"role": "user", "content": "hi"}]
    async with in_process(simulator.url, tmp_path) as proxy:
        client = sdk(proxy)
        await turn(client, history, stream=True)
        history.append({"role": "user", "content": "write it"})
        choice = await turn(client, history, stream=False)
        assert not choice.message.tool_calls
        assert choice.finish_reason == "length"
        assert "was cut off and was not run" in choice.message.content
        if not restarted:
            await go_on_twice(client, history)
    if restarted:
        async with in_process(simulator.url, tmp_path) as proxy:
            await go_on_twice(sdk(proxy), history)
    hello, first, second, branch, last = simulator.ledger.to_json()["turns"]
    assert first["parent_id"] == second["parent_id"] == hello["response_id"]
    assert [entry["content"] for entry in branch["context"]] == [hello["message"], "Hello.", second["message"]]
    assert "write it" not in branch["message"]
    assert last["parent_id"] == branch["response_id"]
    assert branch["message"].count(NOT_RUN) == 1
    assert "(The call to" not in branch["message"]
    assert NOT_RUN not in last["message"]
    assert [entry["content"].count(NOT_RUN) for entry in last["context"]] == [0, 0, 0, 1, 0]


async def go_on_twice(client: AsyncOpenAI, history: list[Any]) -> None:
    for words in ("again", "and again"):
        history.append({"role": "user", "content": words})
        await turn(client, history, stream=True)


async def test_a_whole_history_tells_what_was_not_run(simulator: Simulator, tmp_path: Path) -> None:
    """In a new chat each such call is told where it happened, and no sentence of the bridge is the model's."""
    said = "I try.\n\n(The call to write_file was cut off and was not run.)"
    history: list[Any] = [
        {"role": "user", "content": "write it"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": "once more"},
        {"role": "assistant", "content": said},
    ]
    simulator.script([{"text": "I see."}])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        await turn(sdk(proxy), [*history, {"role": "user", "content": "and?"}], stream=True)
    (told,) = simulator.ledger.to_json()["turns"]
    assert told["message"].count(NOT_RUN) == 2
    assert "(The call to" not in told["message"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_cut_call_is_asked_for_again_and_the_agent_goes_on(
    stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Qwen is asked twice, the second time beside the first answer; the agent sees one whole call, and one chat."""
    name, arguments = STEPS[1]
    simulator.script([{"text": "Hello."}, {"text": CUT}, {"text": coder(name, arguments)}, {"text": "All done."}])
    history: list[Any] = [{"role": "user", "content": "hi"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        await turn(client, history, stream=stream)
        history.append({"role": "user", "content": "write it"})
        choice = await turn(client, history, stream=stream)
        (call,) = choice.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == (name, arguments)
        assert choice.finish_reason == "tool_calls"
        assert not choice.message.content
        history.append({"role": "tool", "tool_call_id": call.id, "content": "written"})
        assert (await turn(client, history, stream=stream)).message.content == "All done."
    hello, first, second, last = simulator.ledger.to_json()["turns"]
    assert first["parent_id"] == second["parent_id"] == hello["response_id"]
    assert "smaller steps" in second["message"]
    assert "smaller steps" not in first["message"]
    assert last["parent_id"] == second["response_id"]
    # The path holds the history and nothing else: two questions, two answers; the cut one lies beside it.
    assert [entry["content"] for entry in last["context"] if entry["role"] == "assistant"] == [
        "Hello.",
        coder(name, arguments),
    ]
    assert not simulator.ledger.refused


@pytest.mark.parametrize("answer", ["call", "words"])
async def test_a_demanded_call_is_asked_for_once(answer: str, simulator: Simulator, tmp_path: Path) -> None:
    """With `tool_choice: required`, and for a client that streams; words that come twice are the answer."""
    second = hermes(*STEPS[0]) if answer == "call" else "I would rather not."
    simulator.script([{"text": "Read it yourself.", "chunk": 3}, {"text": second}])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        messages: Any = [{"role": "user", "content": "read a.py"}]
        told = await sdk(proxy).chat.completions.create(
            model="gpt-4o", messages=messages, tools=TOOLS, tool_choice="required", stream=True
        )
        choices = [chunk.choices[0] async for chunk in told]
    text = "".join(choice.delta.content or "" for choice in choices)
    names = [call.function.name for choice in choices for call in choice.delta.tool_calls or () if call.function]
    if answer == "call":
        assert (text, names[0], choices[-1].finish_reason) == ("", "read_file", "tool_calls")
    else:
        assert (text, names, choices[-1].finish_reason) == (second, [], "stop")
    turns = simulator.ledger.to_json()["turns"]
    assert ["Answer only with a call to one of the tools" in turn["message"] for turn in turns] == [False, True]
    assert {turn["parent_id"] for turn in turns} == {None}


async def test_an_intercepted_call_is_asked_for_in_the_other_form(simulator: Simulator, tmp_path: Path) -> None:
    """The running answer is stopped, nothing of it is shown, and the next request is taught the other form at once."""
    refusal = "Tool read_file does not exists.\n" * 200
    simulator.script([{"text": refusal, "pace": 50}, {"text": coder(*STEPS[0])}, {"text": "Hello."}])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        history: list[Any] = [{"role": "user", "content": "read a.py"}]
        choice = await turn(client, history, stream=True)
        assert not choice.message.content
        assert choice.message.tool_calls[0].function.name == "read_file"
        await turn(client, [{"role": "user", "content": "something else"}], stream=True)
    first, second, other = simulator.ledger.to_json()["turns"]
    assert first["aborted"]
    assert len(first["answer"]) < len(refusal)
    assert ["<function=" in turn["message"] for turn in (first, second, other)] == [False, True, True]
    assert first["chat_id"] == second["chat_id"]
    assert not simulator.ledger.refused  # it was stopped before: the chat was never found busy


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_forbidden_call_becomes_words(stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """`tool_choice: none` behind a turn with a tool: the client reads prose, and the next turn goes on behind it."""
    simulator.script([{"text": text} for text in (hermes(*STEPS[0]), hermes(*STEPS[2]), "It is a file.", "Bye.")])
    history: list[Any] = [{"role": "user", "content": "read a.py"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        (call,) = (await turn(client, history, stream=stream)).message.tool_calls
        history.append({"role": "tool", "tool_call_id": call.id, "content": "print(1)"})
        choice = await turn(client, history, stream=stream, tool_choice="none")
        assert (choice.message.content, choice.finish_reason) == ("It is a file.", "stop")
        assert not choice.message.tool_calls
        history.append({"role": "user", "content": "thanks"})
        assert (await turn(client, history, stream=stream)).message.content == "Bye."
    first, forbidden, words, last = simulator.ledger.to_json()["turns"]
    assert forbidden["parent_id"] == words["parent_id"] == first["response_id"]
    assert "Answer in words" in words["message"]
    assert last["parent_id"] == words["response_id"]


async def test_a_call_behind_words_is_not_lost(simulator: Simulator, tmp_path: Path) -> None:
    """The client streams and has read a sentence: it gets the call behind it, and the next turn goes on from there."""
    name, arguments = STEPS[1]
    lead = "I will write it now.\n\n"
    simulator.script(
        [{"text": lead + CUT, "chunk": 5}, {"text": coder(name, arguments), "chunk": 5}, {"text": "All done."}]
    )
    history: list[Any] = [{"role": "user", "content": "write it"}]
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        client = sdk(proxy)
        choice = await turn(client, history, stream=True)
        (call,) = choice.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == (name, arguments)
        assert (choice.message.content, choice.finish_reason) == (lead, "tool_calls")
        history.append({"role": "tool", "tool_call_id": call.id, "content": "written"})
        assert (await turn(client, history, stream=True)).message.content == "All done."
    broken, again, last = simulator.ledger.to_json()["turns"]
    assert again["parent_id"] == broken["response_id"]
    assert last["parent_id"] == again["response_id"]
    assert again["message"].startswith("(Your last tool call to write_file was cut off and was not run")
    assert len(again["message"]) < len(broken["message"]) / 2
    assert not simulator.ledger.refused
