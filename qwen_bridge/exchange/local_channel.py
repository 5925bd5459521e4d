"""The client's tools on the site's own channel for them, `local_mcp`, in place of words about tools in the text.

Off by default, for one report stands for it (toolcalls.md §7.4): tools are declared with each message, calls come back
as frames, and results go back as an ordinary message of the user in the same chat. The tools are fitted into the same
budget as in the text. The text of the answer is read all the same: a model may do both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from qwen_bridge.messages import ToolChoice, ToolSpec
from qwen_bridge.toolcalls import teach
from qwen_bridge.toolcalls.budget import fitted

SERVER: Final = "client"
"""The name under which all tools are declared; calls name it back."""

AFTER_RESULTS: Final = "(Continue, using these results: answer, or call a tool again.)"


def declaration(tools: Sequence[ToolSpec]) -> dict[str, Any]:
    """The value of `feature_config.local_mcp`."""
    declared: dict[str, Any] = {}
    for line in fitted(tools):
        function = json.loads(line)["function"]
        declared[function["name"]] = {
            "description": function.get("description", ""),
            "input_schema": function["parameters"] or {"type": "object", "properties": {}},
        }
    return {SERVER: declared}


def reminder(choice: ToolChoice, *, parallel: bool, results: bool) -> str:
    """What is said at the end of a message: what holds for this reply, and behind results how it goes on."""
    lines = [AFTER_RESULTS] if results else []
    if (demand := teach.demand(choice)) is not None:
        lines.append(f"({demand})")
    if not parallel:
        lines.append("(One call per reply.)")
    return "\n".join(lines)
