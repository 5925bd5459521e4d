"""Recordings: where they go, who may read them, how much there is, and what is not in them."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.bridge.recordings import Recorder
from qwen_bridge.simulator.server import Simulator
from tests.harness.editor import Editor, bridge_to


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


TOOL = {
    "type": "function",
    "function": {"name": "read_file", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}},
}
CALL = '<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>'


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (folder, *sorted(folder.iterdir()))]


def entries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def test_folder_and_files_are_the_users_alone(tmp_path: Path) -> None:
    """Also where the folder was open before."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True, mode=0o755)
    Recorder(folder).write({"n": 1})
    Recorder(folder).write({"n": 2})
    assert modes(folder) == [0o700, 0o600]
    assert lines(folder) == [{"n": 1}, {"n": 2}]


def test_the_oldest_goes(tmp_path: Path) -> None:
    """A file that is full moves on, and there are so many and no more."""
    recorder = Recorder(tmp_path, limit=60, files=3)
    for number in range(20):
        recorder.write({"n": number, "text": "x" * 20})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls.1.jsonl", "calls.2.jsonl", "calls.jsonl"]
    assert all(path.stat().st_size <= 60 for path in tmp_path.iterdir())
    assert sorted(line["n"] for line in lines(tmp_path)) == [17, 18, 19]


def test_secrets_are_taken_out(tmp_path: Path) -> None:
    """In any text of the record, and under any name that holds one."""
    key = "sk-" + "a" * 20
    Recorder(tmp_path).write({"messages": [{"content": f"my key is {key}"}], "token": "abc", "raw": [f"export {key}"]})
    text = (tmp_path / "calls.jsonl").read_text()
    assert key not in text
    assert "abc" not in text
    assert text.count("[redacted]") == 3


async def test_a_folder_that_cannot_be_used_costs_no_answer(tmp_path: Path, simulator: Simulator) -> None:
    """The log says so; the client notices nothing."""
    (tmp_path / "file").write_text("")
    simulator.script([{"text": CALL}])
    async with bridge_to(simulator.url, record=str(tmp_path / "file" / "below")) as bridge:
        editor = Editor(bridge, simulator.url, tools=[TOOL])
        editor.history = [{"role": "user", "content": "read"}]
        assert (await editor.post()).status == 200


async def test_a_bridge_records_exchanges_with_tools(tmp_path: Path, simulator: Simulator) -> None:
    """One line each, where the user names a folder; those without tools are nobody's business."""
    simulator.script([{"text": CALL}, {"text": "Hello."}])
    folder = tmp_path / "calls"
    async with bridge_to(simulator.url, record=str(folder)) as bridge:
        for editor in (Editor(bridge, simulator.url, tools=[TOOL]), Editor(bridge, simulator.url)):
            editor.history = [{"role": "user", "content": "read"}]
            assert (await editor.post()).status == 200
    (line,) = lines(folder)
    assert (line["raw"], [call["name"] for call in line["calls"]]) == ([CALL], ["read_file"])
    assert line["model"] == "qwen3-max"


async def test_by_default_nothing_is_recorded(tmp_path: Path, simulator: Simulator) -> None:
    """Not even a folder is made."""
    simulator.script([{"text": CALL}])
    async with bridge_to(simulator.url, state=str(tmp_path)) as bridge:
        editor = Editor(bridge, simulator.url, tools=[TOOL])
        editor.history = [{"role": "user", "content": "read"}]
        await editor.post()
    assert entries(tmp_path) == []
