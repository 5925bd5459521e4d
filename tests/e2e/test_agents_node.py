"""Agents written in JavaScript, unchanged, through a real mitmdump: the AI SDK, and command-line agents from npm."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.harness import slips
from tests.harness.agent import AFTER, BEFORE, PRINTED, STEPS
from tests.harness.agent_clis import CONTINUE, LARGE, SMALL, AgentCLI, continue_proxied
from tests.harness.node import NODE, Run, needs_node, run
from tests.harness.proxy import Proxy
from tests.harness.simulate import RemoteSimulator
from tests.harness.slips import SLIPS, WRITTEN, Slip

pytestmark = needs_node

FORMS: tuple[Slip, ...] = (*(partial(slips.written, name) for name in WRITTEN), *SLIPS)
"""Every form of a call, and every slip. A run takes ten seconds or more, so only `scripts/agents --forms` has them."""
COPY = "cp a.py out.txt && echo '<done>'"
FINISH = {"text": "All done."}


def plain(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    return slips.said(slips.hermes(name, arguments))


def check_thread(turns: Sequence[dict[str, Any]]) -> None:
    """One chat, each turn on the answer before, the last result told."""
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert "<done>" in turns[-1]["message"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a program to be mended."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text(BEFORE, encoding="utf-8")
    return folder


# -- AI SDK -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slip", [plain, slips.without_opener, slips.cut_in_its_value], ids=lambda slip: slip.__name__)
@pytest.mark.parametrize("manner", ["stream", "whole"])
@pytest.mark.parametrize("provider", ["chat", "compatible"])
def test_ai_sdk(
    provider: str, manner: str, slip: Slip, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path
) -> None:
    """Both of its OpenAI providers read, write, run and finish; each call is run once and to the byte."""
    prepared = [answer for step in STEPS for answer in slip(*step)]
    qwen.script(*prepared, FINISH)
    command = ["node", str(NODE / "agent.mjs"), ways["base URL"].base_url, provider, manner, "Fix a.py"]
    ran = run(command, project, project.parent / "home")
    assert (ran.status, ran.errors) == (0, "")
    told = json.loads(ran.output)
    assert [tuple(call) for call in told["done"]] == STEPS
    assert (project / "a.py").read_bytes() == AFTER.encode()
    assert (project / "out.txt").read_text(encoding="utf-8") == PRINTED
    assert (told["finish"], told["text"]) == ("stop", FINISH["text"])
    assert len(qwen.turns) == len(prepared) + 1
    if len(prepared) == len(STEPS):
        check_thread(qwen.turns)


# -- command-line agents ------------------------------------------------------------------------------------------


def start(agent: AgentCLI, proxy: Proxy, project: Path) -> Run:
    """The program's run on the task; skips where it is not installed."""
    if not agent.program.is_dir() or shutil.which("node") is None:
        pytest.skip(f"needs {agent.name}, which {'scripts/agents' if agent in LARGE else 'scripts/test'} installs")
    home = project.parent / "home"
    home.mkdir()
    launch = agent.launch(proxy, home)
    if launch.first:
        assert run(launch.first, project, home, launch.environment).status == 0
    return run(launch.command, project, home, launch.environment)


def check_task(agent: AgentCLI, slip: Slip, proxy: Proxy, qwen: RemoteSimulator, project: Path) -> None:
    """The agent's own tools do what the model meant, in one thread of one chat, and it ends well."""
    steps = agent.steps(project / "a.py", BEFORE, AFTER, COPY)
    prepared = [answer for step in steps for answer in slip(*step)]
    qwen.script(*prepared, FINISH)
    ran = start(agent, proxy, project)
    assert ran.status == 0, ran
    assert (project / "a.py").read_bytes() == AFTER.encode(), ran
    assert (project / "out.txt").read_bytes() == AFTER.encode()
    assert FINISH["text"] in ran.output
    assert len(qwen.turns) == len(prepared) + 1
    if len(prepared) == len(steps):
        check_thread(qwen.turns)
    else:
        slips.check_asked_again(qwen.turns)


@pytest.mark.parametrize("agent", [*SMALL, *LARGE], ids=lambda agent: agent.name)
def test_cli_reads_edits_runs_and_finishes(
    agent: AgentCLI, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path
) -> None:
    """At the base URL, although the model loses the first tag of each call."""
    check_task(agent, slips.without_opener, ways["base URL"], qwen, project)


@pytest.mark.parametrize("slip", [plain, slips.raw_newlines, slips.fenced], ids=lambda slip: slip.__name__)
def test_cli_with_other_slips(slip: Slip, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path) -> None:
    """The quickest of them, with more that a model may write. Its edits are a list of objects."""
    check_task(CONTINUE, slip, ways["base URL"], qwen, project)


@pytest.mark.parametrize("form", FORMS if os.environ.get("AGENT_FORMS") else (), ids=slips.name_of)
@pytest.mark.parametrize("agent", [*SMALL, *LARGE], ids=lambda agent: agent.name)
def test_cli_with_every_form(
    agent: AgentCLI, form: Slip, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path
) -> None:
    """Whatever form the model writes its calls in, and whatever goes wrong with them in it."""
    check_task(agent, form, ways["base URL"], qwen, project)


def test_cli_through_the_proxy(ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path) -> None:
    """An agent that means OpenAI itself works through CONNECT and the bridge's certificate."""
    check_task(replace(CONTINUE, launch=continue_proxied), plain, ways["proxy"], qwen, project)


@pytest.mark.parametrize("agent", [*SMALL, *LARGE], ids=lambda agent: agent.name)
def test_cli_gets_the_edit_that_was_cut(
    agent: AgentCLI, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path
) -> None:
    """Behind words that it has shown: the bridge asks for the call below them, and the whole edit is run, once."""
    read, edit, shell = agent.steps(project / "a.py", BEFORE, AFTER, COPY)
    qwen.script(*plain(*read), *slips.cut_in_its_value(*edit), *plain(*shell), FINISH)
    ran = start(agent, ways["base URL"], project)
    assert ran.status == 0, ran
    assert (project / "a.py").read_text(encoding="utf-8") == AFTER
    assert (project / "out.txt").read_bytes() == AFTER.encode()
    turns = qwen.turns
    assert len(turns) == 5
    assert turns[2]["parent_id"] == turns[1]["response_id"]
    assert turns[2]["message"].startswith("(Your last tool call")


@pytest.mark.parametrize("agent", [*SMALL, *LARGE], ids=lambda agent: agent.name)
def test_cli_does_not_edit_with_half_a_call(
    agent: AgentCLI, ways: dict[str, Proxy], qwen: RemoteSimulator, project: Path
) -> None:
    """An edit that is cut twice is not run; where the program asks again by itself, the whole edit is run, once."""
    read, edit, shell = agent.steps(project / "a.py", BEFORE, AFTER, COPY)
    cut, whole = slips.cut_in_its_value(*edit)
    qwen.script(*plain(*read), cut, cut, whole, *plain(*shell), FINISH)
    ran = start(agent, ways["base URL"], project)
    assert ran.status == 0, ran
    assert (project / "a.py").read_text(encoding="utf-8") == (AFTER if agent.asks_again else BEFORE)
    if not agent.asks_again:
        assert "was not run" in ran.output
    else:
        turns = qwen.turns
        again = turns[2]["response_id"]  # asked anew by the program: not behind the broken answers
        assert again not in [turn["parent_id"] for turn in turns]
        assert (project / "out.txt").read_bytes() == AFTER.encode()
