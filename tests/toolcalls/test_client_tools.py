from __future__ import annotations

from qwen_bridge.toolcalls.client_tools import KNOWN, described_tools


def test_only_tools_that_the_prompt_shows_are_taken() -> None:
    """A tag of a tool that the client does not have stays text."""
    prompt = "## read_file\nUsage:\n<read_file>\n<path>File path here</path>\n</read_file>\n\n<div>"
    (tool,) = described_tools(prompt)
    assert tool.name == "read_file"
    assert "args" in tool.parameters["properties"]


def test_no_prompt_no_tools() -> None:
    """A client that describes nothing has none."""
    assert described_tools("You are a helpful assistant.") == []


def test_every_known_tool_can_be_described() -> None:
    """Names and keys are plain, and what is starred is required."""
    tools = described_tools("".join(f"<{name}>" for name in KNOWN))
    assert [tool.name for tool in tools] == list(KNOWN)
    assert all(set(tool.parameters["required"]) <= set(tool.parameters["properties"]) for tool in tools)
    assert next(tool for tool in tools if tool.name == "write_to_file").parameters["required"] == ["path", "content"]
