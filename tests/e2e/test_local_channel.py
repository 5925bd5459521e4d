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
