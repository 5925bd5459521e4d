"""A coding agent on openai-python: three tools that really work in a folder, and the loop that every agent has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, LengthFinishReasonError
from openai.types.chat import ChatCompletion

MOST_REQUESTS = 12
"""Of one task; a loop that needs more does not end."""

BEFORE = "print('old')\n"

# What parsers trip over: tags, entities, a fence, a close tag, CDATA's end, trailing blanks, tabs, quotes, backslashes.
AFTER = """\
import sys

def tag(x):   \t
\treturn "<b>" if x < 3 and x & 1 else '</content> &lt; ]]> ``` \\\\ é 漢'

sys.stdout.write(tag(1) + "\\n" + tag(4) + "\\n")
"""
PRINTED = "<b>\n</content> &lt; ]]> ``` \\ é 漢\n"
COMMAND = "python a.py > out.txt && echo '<done>'"

STEPS: list[tuple[str, dict[str, str]]] = [
    ("read_file", {"path": "a.py"}),
    ("write_file", {"path": "a.py", "content": AFTER}),
    ("run", {"command": COMMAND}),
]
"""Read, edit, run: what the model means to do before it finishes."""


def _tool(name: str, *keys: str) -> Any:
    properties = {key: {"type": "string"} for key in keys}
    schema = {"type": "object", "properties": properties, "required": list(keys)}
    return {"type": "function", "function": {"name": name, "description": f"{name}.", "parameters": schema}}


TOOLS = [_tool("read_file", "path"), _tool("write_file", "path", "content"), _tool("run", "command")]


class Agent:
    """`done` are the calls that were run, as they were read; `history` is what is sent whole with each request."""

    def __init__(self, client: AsyncOpenAI, folder: Path, *, stream: bool = True) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.history: list[Any] = []
        self.ends: list[str] = []
        self._client = client
        self._folder = folder
        self._stream = stream
        (folder / "a.py").write_text(BEFORE, encoding="utf-8")

    async def work(self, task: str) -> str:
        """Ask, run what the answer calls, and ask again with the results; what the last answer says."""
        self.history.append({"role": "user", "content": task})
        for _ in range(MOST_REQUESTS):
            choice = (await self._ask()).choices[0]
            self.ends.append(choice.finish_reason)
            calls: list[Any] = list(choice.message.tool_calls or [])
            assert (choice.finish_reason == "tool_calls") == bool(calls)
            self.history.append(_echo(choice.message.content, calls))
            self.history += [
                {"role": "tool", "tool_call_id": call.id, "content": self._run(call.function)} for call in calls
            ]
            if choice.finish_reason == "length":
                self.history.append({"role": "user", "content": "That was cut off. Once more, please."})
            elif not calls:
                return choice.message.content or ""
        raise AssertionError(f"no end after {MOST_REQUESTS} requests: {self.ends}")

    async def _ask(self) -> ChatCompletion:
        if not self._stream:
            return await self._client.chat.completions.create(model="gpt-4o", messages=self.history, tools=TOOLS)
        # The stream helper is the strictest reader there is: it puts the deltas together and parses the arguments,
        # and `length` is an error to it.
        async with self._client.chat.completions.stream(model="gpt-4o", messages=self.history, tools=TOOLS) as events:
            try:
                return await events.get_final_completion()
            except LengthFinishReasonError as cut:
                return cut.completion

    def _run(self, function: Any) -> str:
        arguments: dict[str, str] = json.loads(function.arguments)
        self.done.append((function.name, arguments))
        file = self._folder / arguments.get("path", "")
        match function.name:
            case "read_file":
                return file.read_text(encoding="utf-8")
            case "write_file":
                file.write_bytes(arguments["content"].encode())
                return "written"
            case "run":
                return run(arguments["command"], self._folder)
        raise AssertionError(f"no such tool: {function.name}")


def run(command: str, folder: Path) -> str:
    """Run a shell command in `folder`; what it printed. `python` is this test's own."""
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode()


def _echo(content: str | None, calls: list[Any]) -> Mapping[str, Any]:
    """An answer as agents put it into their history: arguments written anew (Roo, Cline, opencode and others do)."""
    if not calls:
        return {"role": "assistant", "content": content}
    told = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": json.dumps(json.loads(call.function.arguments))},
        }
        for call in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": told}
