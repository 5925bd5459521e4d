"""Tools, answers and short ways to read them, shared by the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qwen_bridge.events import (
    FinishReason,
    ResponseEnded,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from qwen_bridge.messages import ToolSpec
from qwen_bridge.toolcalls.cases import CountedIds, specs
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.extractor import ToolCallExtractor
from qwen_bridge.toolcalls.outbox import Client
from qwen_bridge.toolcalls.policy import ToolSettings


def tool(name: str, required: str = "", optional: str = "", **types: Any) -> dict[str, Any]:
    """A declaration as a client sends it; parameters are strings unless `types` says otherwise."""
    keys = [*required.split(), *optional.split()]
    properties = {
        key: types[key] if isinstance(types.get(key), dict) else {"type": types.get(key, "string")} for key in keys
    }
    return {"name": name, "parameters": {"type": "object", "properties": properties, "required": required.split()}}


TOOLS: list[dict[str, Any]] = [
    tool("read_file", "path", "limit", limit="integer"),
    tool("write_file", "path content", "mode"),
    tool("put", "path content"),
    tool("shell", "command", "cwd timeout env", timeout="integer", env="object"),
    tool("mcp__git__commit", "message", "files", files={"type": "array", "items": {"type": "string"}}),
    tool("ping"),
]

XML_TOOLS: list[dict[str, Any]] = [
    tool("read_file", "path", "args"),
    tool("write_to_file", "path content", "line_count"),
    tool("apply_diff", "path diff"),
    tool("execute_command", "command", "cwd"),
    tool("ask_followup_question", "question", "follow_up"),
    tool("attempt_completion", "result", "command"),
]

type Calls = list[tuple[str, dict[str, Any]]]


def catalogue(tools: Sequence[Mapping[str, Any]] = TOOLS) -> Catalogue:
    return Catalogue(specs(tools))


def spec(name: str) -> ToolSpec:
    return next(one for one in specs([*TOOLS, *XML_TOOLS]) if one.name == name)


class Answer:
    """One answer, run through the extractor: what the client got."""

    def __init__(
        self,
        text: str,
        *,
        end: FinishReason = "stop",
        tools: Sequence[Mapping[str, Any]] = TOOLS,
        client: Client = "openai_tools",
        settings: ToolSettings | None = None,
    ) -> None:
        self.extractor = ToolCallExtractor(specs(tools), client, CountedIds(), settings)
        self.before_end: list[StreamEvent] = list(self.extractor.feed(TextDelta(text)))
        self.events = [*self.before_end, *self.extractor.feed(ResponseEnded(end))]

    @property
    def calls(self) -> Calls:
        names = [event.name for event in self.events if isinstance(event, ToolCallStarted)]
        arguments = [json.loads(event.arguments) for event in self.events if isinstance(event, ToolCallDelta)]
        return list(zip(names, arguments, strict=True))

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def withheld(self) -> list[str]:
        return [call.name for call in self.extractor.report.withheld]

    @property
    def repairs(self) -> list[str]:
        return [repair for call in self.extractor.report.calls for repair in call.repairs]

    @property
    def finish(self) -> FinishReason:
        last = self.events[-1]
        assert isinstance(last, ResponseEnded)
        return last.reason


def calls(text: str, **options: Any) -> Calls:
    """The calls in a whole answer that ended naturally, unless `end` says otherwise."""
    return Answer(text, **options).calls


def qwen_xml(name: str, arguments: Mapping[str, Any], *, wrapped: bool = True) -> str:
    """A well-formed call in the Coder form, with raw values."""
    values = "".join(f"<parameter={key}>\n{raw(value)}\n</parameter>\n" for key, value in arguments.items())
    inner = f"<function={name}>\n{values}</function>"
    return f"<tool_call>\n{inner}\n</tool_call>" if wrapped else inner


def hermes(name: str, arguments: Mapping[str, Any]) -> str:
    """A well-formed call in the Hermes form."""
    return f"<tool_call>\n{bare(name, arguments)}\n</tool_call>"


def bare(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps({"name": name, "arguments": dict(arguments)})


def tagged(name: str, arguments: Mapping[str, Any]) -> str:
    """A well-formed call in tool tags; bodies on lines of their own."""
    values = "".join(f"<{key}>\n{raw(value)}\n</{key}>\n" for key, value in arguments.items())
    return f"<{name}>\n{values}</{name}>"


def invoke(name: str, arguments: Mapping[str, Any]) -> str:
    values = "".join(f'<parameter name="{key}">{raw(value)}</parameter>\n' for key, value in arguments.items())
    return f'<function_calls>\n<invoke name="{name}">\n{values}</invoke>\n</function_calls>'


def raw(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
