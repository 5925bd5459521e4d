"""What a model of Qwen's writes where it means a call: every dialect, and the slips of toolcalls.md §2.

A slip is a row: from the name and the arguments of the call that is meant, to the prepared answers of the simulator
(`script.py`) that stand for it. Where there are two, the first must not run, and the second is what the model says when
it is asked once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from qwen_bridge.simulator.dialects import DIALECTS, write_call

type Arguments = Mapping[str, Any]
type Slip = Callable[[str, Arguments], list[dict[str, Any]]]

LEAD = "I will do it.\n\n"
MENTION = 'A call looks like `<tool_call>{"name": "run", "arguments": {"command": "rm -rf ."}}</tool_call>`.\n\n'
"""Talk about a call: text for the reader, never a call."""


def coder(name: str, arguments: Arguments) -> str:
    return write_call("qwen_xml", name, arguments)


def hermes(name: str, arguments: Arguments) -> str:
    return write_call("hermes", name, arguments)


def invoke(name: str, arguments: Arguments) -> str:
    inside = "".join(
        f'<parameter name="{key}">\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n'
        for key, value in arguments.items()
    )
    return f'<invoke name="{name}">\n{inside}</invoke>'


WRITTEN: Mapping[str, Callable[[str, Arguments], str]] = {
    **{name: partial(write_call, name) for name in DIALECTS},
    "invoke": invoke,
}
"""Every form of a call that has nothing wrong with it."""


def said(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"text": LEAD + text, "chunk": 3, **more}]


def written(dialect: str, name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """A row of `WRITTEN`, as an answer."""
    return said(WRITTEN[dialect](name, arguments))


def name_of(slip: Any) -> str:
    """What a test with `slip` is called."""
    return str(slip.args[0] if isinstance(slip, partial) else slip.__name__)


def without_opener(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """The most reported slip of Qwen3-Coder."""
    return said(coder(name, arguments).removeprefix("<tool_call>\n"))


def without_closer(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(_unclosed(coder(name, arguments), arguments))


def without_json_closer(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(_unclosed(hermes(name, arguments), arguments))


def _unclosed(call: str, arguments: Arguments) -> str:
    """Not behind a value with a closing tag in it: where that value ends is then in doubt (toolcalls.md §3.2)."""
    doubtful = any("</" in str(value) for value in arguments.values())
    return call if doubtful else call.removesuffix("\n</tool_call>")


def twice_opened(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said("<tool_call>\n" + coder(name, arguments))


def parameter_for_function(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """`<parameter=bash>` where `<function=bash>` belongs."""
    return said(coder(name, arguments).replace(f"<function={name}>", f"<parameter={name}>"))


def named_by_attribute(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(coder(name, arguments).replace(f"<function={name}>", f'<function name="{name}">'))


def raw_newlines(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """JSON strings with line ends and tabs as they are, not as escapes. Backslashes and quotes are escaped."""
    values = ", ".join(
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False).replace(chr(92) * 2, chr(0))}"
        for key, value in arguments.items()
    )
    values = values.replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\\\")
    return said(f'<tool_call>\n{{"name": "{name}", "arguments": {{{values}}}}}\n</tool_call>')


def other_keys(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    call = json.dumps({"tool": name, "parameters": dict(arguments)}, ensure_ascii=False)
    return said(f"<tool_call>\n{call}\n</tool_call>")


def arguments_as_text(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    call = json.dumps({"name": name, "arguments": json.dumps(dict(arguments))})
    return said(f"<tool_call>\n{call}\n</tool_call>")


def trailing_prose(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(coder(name, arguments) + "\n\nLet me know what comes of it.")


def invented_result(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    invented = "\n<tool_response>\nAll of it worked.\n</tool_response>\n\nIt worked, so I am done."
    return said(hermes(name, arguments) + invented)


def fenced(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(f"```xml\n{coder(name, arguments)}\n```")


def thought_before(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """The model thinks of a call, and of another one; only the one that it says counts."""
    draft = hermes("run", {"command": "rm -rf ."}) + "\nNo, better not.\n" + hermes(name, arguments)
    return said(hermes(name, arguments), reasoning=draft)


def thought_inline(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    draft = hermes("run", {"command": "rm -rf ."})
    return [{"text": f"<think>\n{draft}\nNo.\n</think>\n\n{coder(name, arguments)}", "chunk": 3}]


def mentioned_before(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(MENTION + hermes(name, arguments))


def one_by_one(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    return said(coder(name, arguments), chunk=1)


def cut_in_its_value(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    """Cut in the middle of the last value, though the end of the answer says nothing of it."""
    whole = coder(name, arguments)
    value = whole.index(">", whole.rindex("<parameter=")) + 1
    return [*said(whole[: (value + whole.rindex("</parameter>")) // 2]), *said(whole)]


def cut_json(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    whole = hermes(name, arguments)
    return [{"text": whole[: len(whole) * 2 // 3], "chunk": 3}, *said(whole)]


def cut_in_its_head(name: str, arguments: Arguments) -> list[dict[str, Any]]:
    whole = coder(name, arguments)
    return [*said(whole[: whole.index(name) + 2]), *said(whole)]


SLIPS: tuple[Slip, ...] = (
    without_opener,
    without_closer,
    without_json_closer,
    twice_opened,
    parameter_for_function,
    named_by_attribute,
    raw_newlines,
    other_keys,
    arguments_as_text,
    trailing_prose,
    invented_result,
    fenced,
    thought_before,
    thought_inline,
    mentioned_before,
    one_by_one,
    cut_in_its_value,
    cut_json,
    cut_in_its_head,
)


def check_asked_again(turns: Sequence[dict[str, Any]]) -> None:
    """Every other answer held a call that was not whole: it was asked for again in the same chat, and the next turn
    goes on from the second answer.

    Behind words that the client has seen it is asked for alone, below the broken answer; else beside it.
    """
    for broken, again in zip(turns[:-1:2], turns[1::2], strict=False):
        assert "and was not run; nothing was changed by it" in again["message"]
        below = again["message"].startswith("(Your last tool call")
        assert again["parent_id"] == (broken["response_id"] if below else broken["parent_id"])
    seconds = [turn["response_id"] for turn in turns[1::2]]
    assert [turn["parent_id"] for turn in turns[2::2]] == seconds[: len(turns[2::2])]
    assert len({turn["chat_id"] for turn in turns}) == 1
