"""An agent on openai-python through a real mitmdump: read, edit, run, finish, however the model writes its calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.harness.agent import AFTER, PRINTED, STEPS, Agent
from tests.harness.proxy import Proxy
from tests.harness.sdk import sdk
from tests.harness.simulate import RemoteSimulator
from tests.harness.slips import (
    MENTION,
    SLIPS,
    WRITTEN,
    Slip,
    check_asked_again,
    said,
    without_closer,
    without_json_closer,
)

FINISH = {"text": "All done."}
streamed = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


def check_work(agent: Agent, answer: str, folder: Path) -> None:
    """Each call was run once, in its order, as it was meant to the byte; then the agent finished."""
    assert agent.done == STEPS
    assert (folder / "a.py").read_bytes() == AFTER.encode()
    assert (folder / "out.txt").read_text(encoding="utf-8") == PRINTED
    assert answer == FINISH["text"]
    assert agent.ends[-1] == "stop"
    assert "rm -rf" not in str([call for message in agent.history for call in message.get("tool_calls", [])])
    told = [message.get("content") or "" for message in agent.history if message["role"] == "assistant"]
    visible = "\n".join(told).replace(MENTION.strip(), "")
    assert not any(mark in visible for mark in ("<", "{", "```"))


def check_chat(turns: Sequence[dict[str, Any]]) -> None:
    """One thread of one chat; the tools are told once, and the last result reached the model."""
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert parents(turns) == [None, *answers(turns)[:-1]]
    assert "read_file" in turns[0]["message"]
    assert all("<tools>" not in turn["message"] for turn in turns[1:])
    assert "<done>" in turns[-1]["message"]


def parents(turns: Sequence[dict[str, Any]]) -> list[str | None]:
    return [turn["parent_id"] for turn in turns]


def answers(turns: Sequence[dict[str, Any]]) -> list[str]:
    return [turn["response_id"] for turn in turns]


@streamed
@pytest.mark.parametrize("dialect", WRITTEN)
async def test_every_dialect(
    dialect: str, stream: bool, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """Calls arrive whole and to the byte, results go back, and all of it is one thread of one chat."""
    qwen.script(*(said(WRITTEN[dialect](*step))[0] for step in STEPS), FINISH)
    agent = Agent(sdk(ways["base URL"]), tmp_path, stream=stream)
    check_work(agent, await agent.work("Fix a.py"), tmp_path)
    check_chat(qwen.turns)


@streamed
@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.__name__)
async def test_every_slip(
    slip: Slip, stream: bool, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """What can be read in one way only is run once; what cannot is not run, and is run once when it comes whole."""
    prepared = [slip(*step) for step in STEPS]
    qwen.script(*(answer for step in prepared for answer in step), FINISH)
    agent = Agent(sdk(ways["base URL"]), tmp_path, stream=stream)
    check_work(agent, await agent.work("Fix a.py"), tmp_path)
    turns = qwen.turns
    assert len(turns) == sum(map(len, prepared)) + 1  # each answer was asked for once, none left
    if len(turns) == len(STEPS) + 1:
        check_chat(turns)
        assert "length" not in agent.ends
    else:
        check_asked_again(turns)
        assert "<done>" in turns[-1]["message"]


async def test_through_the_proxy(ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path) -> None:
    """The same at OpenAI's own address, through CONNECT and the bridge's certificate."""
    qwen.script(*(said(WRITTEN["qwen_xml"](*step))[0] for step in STEPS), FINISH)
    agent = Agent(sdk(ways["proxy"], through=True), tmp_path)
    check_work(agent, await agent.work("Fix a.py"), tmp_path)
    check_chat(qwen.turns)


async def test_a_file_without_tags_may_miss_the_last_closer(
    ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """Where the answer ended by itself and no closing tag stands in the file, it is clear where the file ends."""
    write = ("write_file", {"path": "a.py", "content": "print('new')\n\nprint(\"<b>\")\n"})
    qwen.script(*without_closer(*write), *without_json_closer(*write), FINISH)
    agent = Agent(sdk(ways["base URL"]), tmp_path)
    await agent.work("Fix a.py")
    assert agent.done == [write, write]
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == write[1]["content"]


@streamed
async def test_two_calls_in_one_answer(
    stream: bool, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """Both are run in their order, and both results are in the next message."""
    first, second, third = (WRITTEN["hermes"](*step) for step in STEPS)
    qwen.script(said(f"{first}\n{second}")[0], said(third)[0], FINISH)
    agent = Agent(sdk(ways["base URL"]), tmp_path, stream=stream)
    check_work(agent, await agent.work("Fix a.py"), tmp_path)
    check_chat(qwen.turns)
    message = qwen.turns[1]["message"]
    assert message.index("print('old')") < message.index("written")


async def test_the_turn_after_a_call_that_was_cut_twice_goes_on_from_the_question(
    ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """The reader is told in a sentence, and Qwen hears that nothing was run, without the broken answers on its path."""
    cut = said(WRITTEN["qwen_xml"](*STEPS[1]).partition("return")[0])[0]
    qwen.script(said(WRITTEN["hermes"](*STEPS[0]))[0], cut, cut, FINISH)
    agent = Agent(sdk(ways["base URL"]), tmp_path)
    await agent.work("Fix a.py, cut twice")
    assert agent.ends == ["tool_calls", "length", "stop"]
    assert agent.done == STEPS[:1]
    assert agent.history[-3]["content"].count("not run") == 1
    first, broken, again, last = qwen.turns
    assert again["parent_id"] == broken["response_id"]
    assert [said["content"] for said in last["context"][2:]] == [broken["message"]]
    assert last["context"][:2] == again["context"][:2]
    assert first["message"] == last["context"][0]["content"]
    assert last["message"].count("was cut off and was NOT run") == 1
