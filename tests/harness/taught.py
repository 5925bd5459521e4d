"""Calls and results of tools, read back from the form that a model was taught, as a careful reader of `teach` would.

Both forms are read alike, so every argument counts by its text: the XML form does not say what is a number.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CALL = re.compile(r"\n*<tool_call>\n(.*?)\n</tool_call>(?=\s*(?:<tool_call>|\Z))", re.DOTALL)
_FUNCTION = re.compile(r"<function=(.+?)>\n(.*)</function>", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=(.+?)>\n(.*?)\n</parameter>\n(?=<parameter=|\Z)", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>\n(.*?):\n(.*)\n</tool_response>", re.DOTALL)
_ASIDE = re.compile(
    r"\n\n\((?:To use a tool, write |Tool use: |Do not call a tool in this reply|You have answered this before)"
    r"[^\n]*\)\Z"
)
_NOT_RUN = re.compile(r"\(The call to (\w+) [^()\n]* and was not run\.\)\s*\Z")
_NOTE = re.compile(r"Your last call to (\w+) [^\n]* and was NOT run\. Nothing was changed by it\.")


def as_read(arguments: str) -> str:
    """Arguments as a value: clients write them anew, with other blanks and keys in another order."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    return _canonical(value) if isinstance(value, dict) else arguments


def calls_in(answer: str) -> tuple[str, list[tuple[str, str]]]:
    """An answer as the model gave it: its words, and name and arguments of the calls behind them."""
    calls = [_call(body) for body in _CALL.findall(answer)]
    return _CALL.sub("", answer), calls


def result_in(text: str, name: str) -> str:
    """What a tool named `name` gave; fails when it stands there under another name."""
    found = _RESPONSE.fullmatch(text)
    if found is None:
        return text
    assert found[1] == name, f"a result of {name} is shown as one of {found[1]}"
    return found[2]


def without_asides(message: str) -> str:
    """A message without what the bridge says at its end of how a tool is used, or why it asks again."""
    while (shorter := _ASIDE.sub("", message)) != message:
        message = shorter
    return message


def not_run(answer: str) -> tuple[str, str]:
    """An answer as the client has it: what the model said, and the tool whose call did not run, or nothing."""
    found = _NOT_RUN.search(answer)
    return (answer[: found.start()], found[1]) if found else (answer, "")


def noted(text: str) -> str:
    """The tool of which the model is told that its call did not run."""
    found = _NOTE.fullmatch(text)
    assert found is not None, f"an unknown note: {text}"
    return found[1]


def _call(body: str) -> tuple[str, str]:
    if found := _FUNCTION.fullmatch(body):
        return found[1], _canonical(dict(_PARAMETER.findall(found[2])))
    value = json.loads(body)
    return value["name"], _canonical(value["arguments"])


def _canonical(arguments: dict[str, Any]) -> str:
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in arguments.items()}
    return json.dumps(words, sort_keys=True)
