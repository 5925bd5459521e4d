"""Agents over the site's own channel for tools (`tool_channel = local_mcp`), and in the text where it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings
from tests.harness.agent import AFTER, STEPS, Agent
from tests.harness.proxy import in_process
from tests.harness.sdk import sdk
from tests.harness.slips import hermes

FINISH = {"text": "All done."}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_agent_works_through_calls_in_frames(stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """Each call arrives typed and whole, results go back in one thread of one chat, and no form is taught."""
    calls: list[Any] = [{"tool_name": name, "params": arguments} for name, arguments in STEPS]
    simulator.script([*({"text": "I will do it.", "calls": [call]} for call in calls), FINISH])
    async with in_process(simulator.url, tmp_path, store="memory", tool_channel="local_mcp") as proxy:
        agent = Agent(sdk(proxy), tmp_path, stream=stream)
        assert await agent.work("Fix a.py") == FINISH["text"]
    assert agent.done == STEPS
    assert (tmp_path / "a.py").read_bytes() == AFTER.encode()
    turns = simulator.ledger.to_json()["turns"]
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert all("read_file" in turn["local_tools"] for turn in turns)
    assert not any("<tool" in turn["message"] for turn in turns)
    assert "<done>" in turns[-1]["message"]


async def test_a_site_that_refuses_the_channel_is_taught_in_the_text(tmp_path: Path) -> None:
    """The agent notices nothing, and the channel is tried once."""
    async with Simulator(settings=Settings(local_mcp=False)) as simulator:
        simulator.script([*({"text": hermes(*step)} for step in STEPS), FINISH])
        async with in_process(simulator.url, tmp_path, store="memory", tool_channel="local_mcp") as proxy:
            agent = Agent(sdk(proxy), tmp_path)
            assert await agent.work("Fix a.py") == FINISH["text"]
        assert agent.done == STEPS
        told = simulator.ledger.to_json()
        assert [refused["reason"] for refused in told["refused"]] == ["internal_error"]
        assert "<tools>" in told["turns"][0]["message"]
        assert len({turn["chat_id"] for turn in told["turns"]}) == 1


async def test_by_default_tools_travel_in_the_text(simulator: Simulator, tmp_path: Path) -> None:
    """What one report stands for has to be asked for."""
    simulator.script([FINISH])
    async with in_process(simulator.url, tmp_path, store="memory") as proxy:
        await Agent(sdk(proxy), tmp_path).work("Fix a.py")
    (turn,) = simulator.ledger.to_json()["turns"]
    assert "local_tools" not in turn
    assert "<tools>" in json.dumps(turn["message"])


def framed(number: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """An answer with a call as the site's own tools are called: an id, and the arguments in three pieces."""
    text = json.dumps(arguments)
    third = len(text) // 3 + 1
    extra = {"tool_call_id": f"site-{number}"}
    deltas: list[dict[str, Any]] = [{"content": "I will do it.", "phase": "answer", "status": "typing"}]
    deltas += [
        {"content": text[at : at + third], "phase": "tool_call", "name": name, "status": "typing", "extra": extra}
        for at in range(0, len(text), third)
    ]
    deltas.append({"content": "", "phase": "tool_call", "status": "finished", "extra": extra})
    deltas.append({"content": "", "phase": "answer", "status": "finished"})
    ids = {"chat_id": "", "parent_id": f"user-{number}", "response_id": f"answer-{number}"}
    frames: list[Any] = [{"response.created": ids}]
    frames += [{"choices": [{"delta": {"role": "assistant", **delta}}]} for delta in deltas]
    frames = [frames[0], *({**frame, "response_id": ids["response_id"]} for frame in frames[1:])]
    return {"raw": "".join(f"data: {json.dumps(frame)}\n\n" for frame in frames), "text": "I will do it."}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("channel", ["text", "local_mcp"])
async def test_calls_in_the_phase_of_the_sites_own_tools_are_run(
    channel: str, stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """`tool_call` with arguments in pieces: declared tools are called whole, once, and one of the site's is not."""
    foreign = framed(9, "web_search", {"q": "tags"})
    simulator.script([*(framed(number, *step) for number, step in enumerate(STEPS)), foreign])
    async with in_process(simulator.url, tmp_path, store="memory", tool_channel=channel) as proxy:
        agent = Agent(sdk(proxy), tmp_path, stream=stream)
        assert await agent.work("Fix a.py") == "I will do it."
    assert agent.done == STEPS
    assert (tmp_path / "a.py").read_bytes() == AFTER.encode()
    turns = simulator.ledger.to_json()["turns"]
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert "<done>" in turns[-1]["message"]
