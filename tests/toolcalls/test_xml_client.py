"""Tools that a client describes in its system prompt."""

from __future__ import annotations

import json

import pytest

from qwen_bridge.toolcalls.xml_client import described_tools
from tests.harness.shared import CLIENTS, needs_shared

PROMPT = """You are an assistant that uses tools.

# Tools

## peek_file
Description: Look at a file.
Parameters:
- path: (required) Where it is
- lines: (optional) Which lines
Usage:
<peek_file>
<path>where</path>
<lines>1-5</lines>
</peek_file>

## ask_person
Description: Ask.
Parameters:
- args: Contains one question, where it contains:
  - text: (required) inner
Usage:
<ask_person>
<args>
  <question><text>Why?</text></question>
</args>
</ask_person>

## Rules

Be good.
"""


def test_each_described_tool_is_found_with_its_parameters() -> None:
    """Names, parameters and what is required come from the section; inner tags are no parameters."""
    peek, ask = described_tools(PROMPT)
    assert peek.name == "peek_file"
    assert list(peek.parameters["properties"]) == ["path", "lines"]
    assert peek.parameters["required"] == ["path"]
    assert ask.name == "ask_person"
    assert list(ask.parameters["properties"]) == ["args"]


def test_a_tool_keeps_the_parameters_of_its_other_versions() -> None:
    """What models have learnt to write behind a file is a parameter, and not a piece of the file."""
    write, _ = described_tools(PROMPT.replace("peek_file", "write_to_file"))
    assert list(write.parameters["properties"]) == ["path", "lines", "line_count", "task_progress"]
    assert write.parameters["required"] == ["path"]


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "You are a helpful assistant.",
        "## read_file\nis a heading of some document.\n\nUsage: none",
        PROMPT.split("## ask_person")[0],
        "Usage:\n```\n<peek_file><path>x</path></peek_file>\n```",
    ],
)
def test_other_prompts_describe_nothing(prompt: str) -> None:
    """A heading, an example or one lone section does not make a client one that runs XML."""
    assert described_tools(prompt) == ()


@needs_shared
def test_recorded_roo_describes_its_tools() -> None:
    """The prompt of a real Roo 3.36 gives every tool it will run."""
    recorded = json.loads((CLIENTS / "roo-code-3.36-xml" / "01.json").read_text(encoding="utf-8"))
    tools = {tool.name: tool.parameters for tool in described_tools(recorded["body"]["messages"][0]["content"])}
    assert {"read_file", "write_to_file", "apply_diff", "execute_command", "attempt_completion"} <= set(tools)
    assert tools["write_to_file"]["required"] == ["path", "content"]
    assert list(tools["read_file"]["properties"]) == ["args"]


@needs_shared
@pytest.mark.parametrize("client", ["openai-python", "opencode", "qwen-code", "aider", "cline", "roo-code-3.50-native"])
def test_recorded_clients_without_xml_describe_none(client: str) -> None:
    """Clients that send `tools`, or none at all, are not taken for XML clients."""
    recorded = json.loads((CLIENTS / client / "02.json").read_text(encoding="utf-8"))
    prompts = [m["content"] for m in recorded["body"]["messages"] if m["role"] == "system"]
    assert described_tools("\n\n".join(p if isinstance(p, str) else p[0]["text"] for p in prompts)) == ()
