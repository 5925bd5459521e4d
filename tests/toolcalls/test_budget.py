from __future__ import annotations

import json

from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls.budget import STAGES, fitted

TOOL = ToolSpec(
    "edit",
    "Edits. " * 100,
    {
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "description": "Where. " * 50},
            "description": {"type": "object", "properties": {"deep": {"type": "string", "description": "x"}}},
        },
    },
)


def parameters(line: str) -> dict[str, object]:
    found = json.loads(line)["function"]["parameters"]["properties"]
    assert isinstance(found, dict)
    return found


def test_what_fits_stays_whole() -> None:
    """Nothing is shortened without need."""
    (line,) = fitted([TOOL])
    assert json.loads(line)["function"]["description"] == TOOL.description


def test_descriptions_go_first_and_names_never() -> None:
    """Each stage is shorter than the one before, and every one still names the tool and what it requires."""
    sizes = []
    for stage in STAGES:
        tool = stage(TOOL)
        sizes.append(len(json.dumps([tool.description, tool.parameters])))
        assert tool.name == "edit"
        assert "path" in tool.parameters["properties"]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_the_first_stage_that_fits_is_taken() -> None:
    """A budget between two stages gives the longer that fits."""
    (line,) = fitted([TOOL], 600)
    assert len(line) < 600
    assert set(parameters(line)) == {"path", "description"}


def test_a_budget_that_nothing_fits_still_names_every_tool() -> None:
    """A tool that is not named cannot be called."""
    lines = fitted([TOOL, ToolSpec("other", "", {})], 1)
    assert [json.loads(line)["function"]["name"] for line in lines] == ["edit", "other"]


def test_a_parameter_may_be_named_description() -> None:
    """Only the words are dropped, not the parameter."""
    assert "description" in STAGES[2](TOOL).parameters["properties"]
