"""The client's tools as words for the model: the form it was trained on, one example, the rules, a reminder.

Forms: `hermes` (one JSON object between `<tool_call>` tags; Qwen2.5, Qwen3, Max) and `qwen_xml` (`<function=…>` and
`<parameter=…>`; Coder, 3.5 and later). Both list the tools as JSON lines inside `<tools>` and give results back as
`<tool_response>` (knowledge/toolcalls.md 7.1, 7.2). Everything here is a pure function from values to text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from qwen_bridge.messages import Message, ToolCall, ToolChoice, ToolSpec
from qwen_bridge.toolcalls.budget import BUDGET, fitted
from qwen_bridge.toolcalls.loose_json import Unreadable, read_json

type Form = Literal["hermes", "qwen_xml"]
type FormSetting = Literal["auto", "hermes", "qwen_xml"]

_XML_FAMILY = re.compile(r"coder|qwen-?3[._-]?[5-9]|qwen-?[4-9]", re.IGNORECASE)

_SHAPES: Mapping[Form, str] = {
    "hermes": "one JSON object with the keys name and arguments between <tool_call> and </tool_call>",
    "qwen_xml": "a <function=NAME> block with one <parameter=KEY> block for each argument, inside <tool_call> and "
    "</tool_call>",
}

_RULES = (
    "Think and explain before the call if you like; write nothing after it.",
    "Do not put a code fence around a call. Close every tag and every brace.",
    "Use tool and parameter names exactly as declared, and give every required parameter.",
    "Write values raw and complete: no placeholders, no omissions.",
    "If a file is long, make several smaller edits instead of one large one.",
    "Never write a <tool_response> yourself: results will come to you in <tool_response> tags.",
    "If no tool is needed, answer normally.",
)

_XML_RULE = "Text between parameter tags is taken as it is: do not escape it, and do not indent it."


def form_for(model: str, setting: FormSetting = "auto") -> Form:
    """The form that a model of this name was trained on; `setting` overrides it."""
    if setting != "auto":
        return setting
    return "qwen_xml" if _XML_FAMILY.search(model) else "hermes"


def other_form(form: Form) -> Form:
    """The form to try where the site took a call of the first one for its own."""
    return "qwen_xml" if form == "hermes" else "hermes"


def instructions(
    tools: Sequence[ToolSpec],
    form: Form,
    choice: ToolChoice | None = None,
    *,
    budget: int = BUDGET,
) -> str:
    """The text that teaches `tools`; "" where there are none or the client forbids them.

    `budget` is in characters and holds for the list of tools; names are never shortened. What holds for one reply only
    (a call is demanded, one call at most) is no part of it, for a chat keeps this text: `reminder` says it each time.
    """
    choice = choice or ToolChoice()
    if not tools or choice.mode == "none":
        return ""
    rules = [*_RULES, _XML_RULE] if form == "qwen_xml" else list(_RULES)
    lines = "\n".join(fitted(tools, budget))
    return "\n".join(
        (
            "# Tools",
            "",
            "You may call one or more functions to assist with the user query. The function signatures are within "
            "<tools></tools> tags, one JSON object per line:",
            f"<tools>\n{lines}\n</tools>",
            "",
            f"To call a function, reply with {_SHAPES[form]}. For example:",
            call(_example_tool(tools, choice).name, _example(_example_tool(tools, choice)), form),
            "",
            "Rules:",
            *(f"- {rule}" for rule in rules),
        )
    )


def reminder(form: Form, choice: ToolChoice | None = None, *, parallel: bool = True) -> str:
    """One line for the end of the last user message: long contexts lose the wrapper's opener (toolcalls.md 2)."""
    choice = choice or ToolChoice()
    if choice.mode == "none":
        return ""
    words = [f"(To use a tool, write {_SHAPES[form]}, with nothing after it."]
    if not parallel:
        words.append("One call per reply.")
    if (wanted := demand(choice)) is not None:
        words.append(wanted)
    return " ".join(words) + ")"


def forbidden() -> str:
    """One line for a reply without tools in a chat that knows of them."""
    return "(Do not call a tool in this reply: answer in words.)"


def xml_reminder() -> str:
    """For clients that teach their own XML: no second language, five short rules (toolcalls.md 7.3)."""
    return (
        "(Tool use: write the tags exactly as described, without attributes; close every tag; no code fence around "
        "them; one tool per message; nothing after the closing tag.)"
    )


def xml_example(tool: ToolSpec) -> str:
    """A worked example in the client's own XML, for the first turn only."""
    values = "".join(f"<{key}>{_text(value)}</{key}>\n" for key, value in _example(tool).items())
    return f"For example, a complete use of {tool.name} looks like this:\n\n<{tool.name}>\n{values}</{tool.name}>"


def call(name: str, arguments: Mapping[str, Any], form: Form) -> str:
    """A call as the model writes it in this form."""
    if form == "hermes":
        inner = json.dumps({"name": name, "arguments": dict(arguments)}, ensure_ascii=False)
        return f"<tool_call>\n{inner}\n</tool_call>"
    parameters = "".join(f"<parameter={key}>\n{_text(value)}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{parameters}</function>\n</tool_call>"


def earlier_calls(calls: Iterable[ToolCall], form: Form) -> str:
    """The calls of an assistant message of the history, in the same form and without ids."""
    return "\n".join(call(one.name, _arguments(one.arguments), form) for one in calls)


def result(name: str, text: str) -> str:
    """A tool's result with the tool's name, whole: what is too long for a message travels as a file."""
    return f"<tool_response>\n{name}:\n{text}\n</tool_response>"


def results(messages: Sequence[Message], names: Mapping[str, str]) -> str:
    """Consecutive tool messages as one text, in their order; `names` maps the id of a call to its tool."""
    return "\n".join(
        result(names.get(message.tool_call_id or "", message.name or "tool"), message.text) for message in messages
    )


def demand(choice: ToolChoice) -> str | None:
    """The sentence for a client that wants a call and no answer in words."""
    if choice.mode == "required":
        return "You must call a tool in this reply."
    if choice.mode == "named" and choice.name:
        return f"You must call the tool {choice.name} in this reply."
    return None


def _arguments(text: str) -> Mapping[str, Any]:
    """The arguments that a client echoed; text that is no object is shown under one key, never dropped."""
    try:
        read = read_json(text.strip() or "{}")
    except Unreadable:
        return {"arguments": text}
    return read.value if isinstance(read.value, dict) else {"arguments": read.value}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _example_tool(tools: Sequence[ToolSpec], choice: ToolChoice) -> ToolSpec:
    """The tool to show: the one that must be called, else the first with few required strings."""
    named = [tool for tool in tools if tool.name == choice.name]
    return named[0] if named else min(tools, key=lambda tool: (len(_required(tool)) == 0, len(_required(tool)) > 2))


def _required(tool: ToolSpec) -> list[str]:
    required = tool.parameters.get("required")
    return [str(key) for key in required] if isinstance(required, list | tuple) else []


def _example(tool: ToolSpec) -> dict[str, Any]:
    """Arguments for the example: the required ones, else the first; their values are plainly made up."""
    properties = tool.parameters.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    keys = [key for key in _required(tool) if key in properties] or list(properties)[:1]
    return {key: _sample(key, properties[key]) for key in keys[:3]}


_SAMPLES: Mapping[str, Any] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


def _sample(key: str, schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return f"value of {key}"
    values = schema.get("enum")
    if isinstance(values, list | tuple) and values:
        return values[0]
    kind = schema.get("type")
    return _SAMPLES.get(kind, f"value of {key}") if isinstance(kind, str) else f"value of {key}"
