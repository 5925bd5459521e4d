"""A client as Cline 3 was, in our own words (clients.md A1-A4): its tools are XML in the text, one in a message.

The system prompt describes the tools; the answer is read with the model of such clients' parsers
(`toolcalls.client_reader`), the first tool that it holds is run in a folder, *also an unfinished one*, and the result
goes back as text of the user.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from qwen_bridge.toolcalls.client_reader import ClientCall, read_answer
from qwen_bridge.toolcalls.write_xml import CLIENT_PARAMETERS
from tests.conformance.framing import DONE, read_events
from tests.harness.agent import BEFORE, run

MOST_REQUESTS = 16

INTERRUPTED = (
    "\n\n[Response interrupted by a tool use result. Only one tool may be used at a time and should be placed at the "
    "end of the message.]"
)
NO_TOOL = "[ERROR] You did not use a tool in your previous response! Please retry with a tool use."

DESCRIBED: dict[str, dict[str, str]] = {
    "read_file": {"path": "Where the file is"},
    "write_to_file": {"path": "Where the file is", "content": "All of its new content"},
    "replace_in_file": {"path": "Where the file is", "diff": "One or more SEARCH/REPLACE blocks"},
    "execute_command": {"command": "What the shell gets", "requires_approval": "true or false"},
    "attempt_completion": {"result": "What was done"},
}


def _section(name: str) -> str:
    keys = DESCRIBED[name]
    listed = "\n".join(f"- {key}: (required) {says}" for key, says in keys.items())
    shown = "\n".join(f"<{key}>{says}</{key}>" for key, says in keys.items())
    return f"## {name}\nDescription: {name}.\nParameters:\n{listed}\nUsage:\n<{name}>\n{shown}\n</{name}>"


PROMPT = (
    "You are a careful programmer. You have tools, and use one of them in each message.\n\n====\n\nTOOL USE\n\n"
    "# Tools\n\n" + "\n\n".join(map(_section, DESCRIBED)) + "\n\n====\n\nRULES\n\n- Finish with attempt_completion.\n"
)

TOOLS = {name: [*DESCRIBED[name], *CLIENT_PARAMETERS] for name in DESCRIBED}
"""What its parser knows: one list of parameters for all tools."""


class XmlAgent:
    """`done` are the tools that were run, `texts` the answers as they came, `routes` where the bridge saw each request.

    `leaves`: it closes the stream as soon as a tool is complete.
    """

    def __init__(self, http: httpx.AsyncClient, folder: Path, *, leaves: bool = False) -> None:
        self.done: list[ClientCall] = []
        self.texts: list[str] = []
        self.routes: list[str] = []
        self.ends: list[str | None] = []
        self.history: list[Any] = [{"role": "system", "content": PROMPT}]
        self._http = http
        self._folder = folder
        self._leaves = leaves
        (folder / "a.py").write_text(BEFORE, encoding="utf-8")

    async def work(self, task: str) -> None:
        """Until `attempt_completion`."""
        self._say(f"<task>\n{task}\n</task>")
        for _ in range(MOST_REQUESTS):
            text = await self._ask()
            self.texts.append(text)
            calls = read_answer(text, TOOLS)
            left = self._leaves and bool(calls)
            self.history.append({"role": "assistant", "content": text.strip() + (INTERRUPTED if left else "")})
            if not calls:
                self._say(NO_TOOL)
                continue
            self.done.append(calls[0])
            if calls[0].name == "attempt_completion":
                return
            values = calls[0].values
            self._say(f"[{calls[0].name} for '{next(iter(values.values()), '')}'] Result:", self._run(calls[0]))
        raise AssertionError(f"no end after {MOST_REQUESTS} requests: {self.ends}")

    def _say(self, *texts: str) -> None:
        details = f"<environment_details>\n# Step\n{len(self.history)}\n</environment_details>"
        parts = [{"type": "text", "text": text} for text in (*texts, details)]
        self.history.append({"role": "user", "content": parts})

    async def _ask(self) -> str:
        body = {"model": "gpt-4o", "temperature": 0, "messages": self.history, "stream": True}
        body["stream_options"] = {"include_usage": True}
        text = ""
        self.ends.append(None)
        async with self._http.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert answer.status_code == 200, await answer.aread()
            self.routes.append(answer.headers["x-qwen-bridge-conversation"])
            async for choice in _choices(answer):
                text += choice["delta"].get("content") or ""
                self.ends[-1] = choice["finish_reason"] or self.ends[-1]
                if self._leaves and any(call.finished for call in read_answer(text, TOOLS)):
                    break
        return text

    def _run(self, call: ClientCall) -> str:
        values = call.values
        file = self._folder / values.get("path", "nowhere")
        match call.name:
            case "read_file":
                return file.read_text(encoding="utf-8")
            case "write_to_file":
                file.write_text(values["content"], encoding="utf-8")
                return "The content was saved."
            case "replace_in_file":
                file.write_text(_patched(file.read_text(encoding="utf-8"), values["diff"]), encoding="utf-8")
                return "The changes were saved."
            case "execute_command":
                return run(values["command"], self._folder)
        raise AssertionError(f"no such tool: {call.name}")


async def _choices(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The choices of a stream's chunks, as they come."""
    raw = b""
    async for piece in answer.aiter_raw():
        whole, mark, raw = (raw + piece).rpartition(b"\n\n")
        for event in read_events(whole + mark)[0]:
            if event is not DONE:
                for choice in event["choices"]:
                    yield choice


def _patched(text: str, diff: str) -> str:
    """A file after one SEARCH/REPLACE block."""
    old, _, new = diff.removeprefix("------- SEARCH\n").removesuffix("\n+++++++ REPLACE").partition("\n=======\n")
    assert old in text
    return text.replace(old, new)
