"""Clients whose tools are XML in the text: one shaped like Cline 3 with tools that work, and Roo 3.36 as recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness import slips
from tests.harness.agent import AFTER, BEFORE, COMMAND, PRINTED
from tests.harness.proxy import Proxy, client
from tests.harness.simulate import RemoteSimulator
from tests.harness.slips import SLIPS, WRITTEN, Slip, check_asked_again, said
from tests.harness.xml_agent import INTERRUPTED, XmlAgent

DIFF = "------- SEARCH\nimport sys\n=======\nimport sys  # <path>b.py</path> &amp; </diff\n+++++++ REPLACE"
STEPS: list[tuple[str, dict[str, Any]]] = [
    ("read_file", {"path": "a.py"}),
    ("write_to_file", {"path": "a.py", "content": AFTER}),
    ("replace_in_file", {"path": "a.py", "diff": DIFF}),
    ("execute_command", {"command": COMMAND, "requires_approval": "false"}),
    ("attempt_completion", {"result": "It prints the tags now."}),
]
EDITED = AFTER.replace("import sys", "import sys  # <path>b.py</path> &amp; </diff")


def mentioned_in_prose(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    """Such a client would run the first tag that it sees, whatever the sentence says."""
    prose = "I could use <execute_command> with <command>rm -rf .</command> here, or `<write_to_file>`. I do not.\n\n"
    return said(prose + WRITTEN["roo_xml"](name, arguments))


def example_in_a_fence(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    example = "For example, the format of a command is:\n\n```xml\n<execute_command>\n<command>rm -rf .</command>\n"
    return said(f"{example}</execute_command>\n```\n\nNow the call.\n\n{WRITTEN['roo_xml'](name, arguments)}")


def thought_in_tags(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    draft = "<thinking>\n<execute_command>\n<command>rm -rf .</command>\n</execute_command>\nNo.\n</thinking>\n\n"
    return said(draft + WRITTEN["roo_xml"](name, arguments))


def prose_behind(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    return said(WRITTEN["roo_xml"](name, arguments) + "\n\nI wait for the result of <read_file>.")


def two_at_once(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    """The second of the two comes again in its own time."""
    again = WRITTEN["roo_xml"]("execute_command", {"command": "rm -rf .", "requires_approval": "false"})
    return said(f"{WRITTEN['roo_xml'](name, arguments)}\n\n{again}")


def cut_xml(name: str, arguments: slips.Arguments) -> list[dict[str, Any]]:
    """What such a client would run as it stands: an unfinished tool at the end of the text."""
    whole = WRITTEN["roo_xml"](name, arguments)
    value = whole.index(">", whole.index("\n")) + 1
    return [*said(whole[: value + (len(whole) - value) // 3]), *said(whole)]


XML_SLIPS = (mentioned_in_prose, example_in_a_fence, thought_in_tags, prose_behind, two_at_once, cut_xml)


async def work(proxy: Proxy, folder: Path, *, leaves: str = "") -> XmlAgent:
    """`leaves`: it breaks off at its tools. The word is part of the task, so that no other test has the same history:
    the bridge remembers chats that the simulator, which is reset, does not.
    """
    async with client(proxy) as http:
        agent = XmlAgent(http, folder, leaves=bool(leaves))
        await agent.work(f"Fix a.py {leaves}".strip())
    return agent


def check_work(agent: XmlAgent, folder: Path) -> None:
    """Each tool was run once, in its order, as it was meant, and complete."""
    assert [(call.name, {**call.values}) for call in agent.done] == STEPS
    assert all(call.finished for call in agent.done)
    assert (folder / "a.py").read_text(encoding="utf-8") == EDITED
    assert (folder / "out.txt").read_text(encoding="utf-8") == PRINTED


def check_thread(agent: XmlAgent, qwen: RemoteSimulator) -> None:
    """One chat, and each request was seen at the node before; no second tool language was taught."""
    turns = qwen.turns
    assert [route.split()[0] for route in agent.routes] == ["new", *["hit"] * (len(turns) - 1)]
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert [turn["parent_id"] for turn in turns] == [None, *(turn["response_id"] for turn in turns[:-1])]
    assert not any("<tools>" in turn["message"] for turn in turns)


@pytest.mark.parametrize("dialect", WRITTEN)
async def test_every_dialect_becomes_the_clients_own(
    dialect: str, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """Whatever form the model writes, the client reads its own XML, and the history leads to the same thread."""
    qwen.script(*(said(WRITTEN[dialect](*step))[0] for step in STEPS))
    agent = await work(ways["base URL"], tmp_path)
    check_work(agent, tmp_path)
    check_thread(agent, qwen)


@pytest.mark.parametrize("slip", [*SLIPS, *XML_SLIPS], ids=lambda slip: slip.__name__)
async def test_every_slip(slip: Slip, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path) -> None:
    """No mention, draft, example or half of a tool is run; the tool that is meant is run once, whole."""
    prepared = [slip(*step) for step in STEPS[:-1]]
    prepared.append(said(WRITTEN["roo_xml"](*STEPS[-1])))  # half of it would do: a person reads it
    qwen.script(*(answer for step in prepared for answer in step))
    agent = await work(ways["base URL"], tmp_path)
    check_work(agent, tmp_path)
    turns = qwen.turns
    assert len(turns) == sum(map(len, prepared))
    if len(turns) == len(STEPS):
        check_thread(agent, qwen)
    else:
        check_asked_again(turns)


@pytest.mark.parametrize("slip", [prose_behind, two_at_once], ids=lambda slip: slip.__name__)
async def test_a_client_that_leaves_at_its_tool(
    slip: Slip, ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """It closes the stream as soon as it has a tool, and says so in its history: Qwen hears all of it, once."""
    qwen.script(*({**slip(*step)[0], "pace": 400} for step in STEPS))
    agent = await work(ways["base URL"], tmp_path, leaves=slip.__name__)
    check_work(agent, tmp_path)
    assert INTERRUPTED in str(agent.history[2]["content"])
    turns = qwen.turns
    last = turns[-1]
    heard = "".join([*(said["content"] for said in last["context"]), last["message"]])
    assert BEFORE in heard
    assert heard.count("The content was saved.") == heard.count("The changes were saved.") == 1
    assert "<done>" in last["message"]
    # One chat, and nothing of the history is sent twice, from the first turn on.
    assert [route.split()[0] for route in agent.routes] == ["new", *["hit"] * (len(turns) - 1)]
    assert len({turn["chat_id"] for turn in turns}) == 1
    assert heard.count("<task>") == heard.count("You are a careful programmer.") == 1
    assert max(turn["request_bytes"] for turn in turns[1:]) < turns[0]["request_bytes"]


async def test_a_client_that_leaves_at_every_tool_pays_for_no_turn_twice(
    ways: dict[str, Proxy], qwen: RemoteSimulator, tmp_path: Path
) -> None:
    """Ten harmless tools, each left in the middle of the answer: the chat holds what the client saw, and no more."""
    (tmp_path / "b.py").write_text("# the other\n", encoding="utf-8")
    reads = [("read_file", {"path": name}) for name in ("a.py", "b.py") * 5]
    unseen = " ".join(["And I would guess that the file is empty."] * 40)
    qwen.script(*({"text": f"Reading.\n\n{WRITTEN['roo_xml'](*read)}\n\n{unseen}", "pace": 400} for read in reads))
    qwen.script(*said(WRITTEN["roo_xml"](*STEPS[-1])))
    agent = await work(ways["base URL"], tmp_path, leaves="always")
    assert [(call.name, {**call.values}) for call in agent.done] == [*reads, STEPS[-1]]
    turns = qwen.turns
    assert all(turn["aborted"] for turn in turns[:-1])
    assert [" ".join(route.split()[0:1] + route.split()[2:3]) for route in agent.routes] == [
        "new",
        *["hit broken_off"] * 10,
    ]
    assert len({turn["chat_id"] for turn in turns}) == 1
    path = [said["content"] for said in turns[-1]["context"]]
    assert path == [turn["message"] for turn in turns[:-1]]
    heard = "".join([*path, turns[-1]["message"]])
    assert "I would guess" not in heard
    assert heard.count("Reading.") == 10
    assert heard.count("# the other") == 5
    assert heard.count("<task>") == 1
    sizes = [turn["request_bytes"] for turn in turns]
    assert max(sizes[1:]) - min(sizes[1:]) < 200, "a turn costs what is new in it"
