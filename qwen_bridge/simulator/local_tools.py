"""The client's tools on the site's own channel: declared in a message, called in a frame of their own.

One source describes it (toolcalls.md §7.4): `feature_config.local_mcp` is
`{server: {tool: {description, input_schema}}}`, and a call is a delta of the phase `local_tool` with
`extra.local_mcp` `{server: [{tool_name, params}]}`. Such a call is no part of the answer's text, and the tree does not
keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_bridge.simulator.refusals import Refused


@dataclass(frozen=True, slots=True)
class LocalCall:
    """A call of a tool that the client declared."""

    server: str
    tool: str
    params: Mapping[str, Any]

    @property
    def delta(self) -> dict[str, Any]:
        """The delta that carries it."""
        call = {"tool_name": self.tool, "params": dict(self.params)}
        return {
            "role": "assistant",
            "content": "",
            "phase": "local_tool",
            "extra": {"local_mcp": {self.server: [call]}},
            "status": "finished",
        }


def read_declared(feature_config: Mapping[str, Any], *, served: bool) -> dict[str, str]:
    """Tool → server, as a message declares them. Raises `Refused` for another shape, or where it is not `served`."""
    declared = feature_config.get("local_mcp")
    if declared is None:
        return {}
    if not served:
        raise Refused("internal_error", "feature_config.local_mcp")
    if not isinstance(declared, dict) or not all(isinstance(tools, dict) for tools in declared.values()):
        raise Refused("something_wrong", "feature_config.local_mcp")
    found: dict[str, str] = {}
    for server, tools in declared.items():
        for name, tool in tools.items():
            if not isinstance(tool, dict) or not isinstance(tool.get("input_schema"), dict):
                raise Refused("something_wrong", f"feature_config.local_mcp.{server}.{name}.input_schema")
            if not isinstance(tool.get("description"), str):
                raise Refused("something_wrong", f"feature_config.local_mcp.{server}.{name}.description")
            found[name] = server
    return found


def scripted(calls: Sequence[Mapping[str, Any]], declared: Mapping[str, str]) -> tuple[LocalCall, ...]:
    """The calls of a script's entry; one of a tool that was not declared comes from a server of the site's."""
    return tuple(
        LocalCall(declared.get(call["tool_name"], "site"), call["tool_name"], call.get("params", {})) for call in calls
    )


def are_calls(value: object) -> bool:
    """Whether `value` is a list of `{tool_name, params}`."""
    return isinstance(value, list) and all(
        isinstance(call, dict)
        and isinstance(call.get("tool_name"), str)
        and isinstance(call.get("params", {}), dict)
        and set(call) <= {"tool_name", "params"}
        for call in value
    )
