"""Coding agents from npm that run without a person: how each is told of the bridge, and what its tools are called.

Their settings are those of docs/clients.md. `scripts/test` installs the small ones, `scripts/agents` the large ones,
some hundred MB each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.node import NODE
from tests.harness.proxy import Proxy

type Call = tuple[str, dict[str, Any]]

TASK = "Please fix a.py"


@dataclass(frozen=True)
class Launch:
    """A command and the environment it wants beside that of `node.run`; `first` is a command to be run before."""

    command: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    first: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class AgentCLI:
    """`launch` writes the settings into a home and says what to start; the rest are calls of its own tools.

    `asks_again`: it asks again by itself when an answer ends with `length`.
    """

    name: str
    program: Path
    launch: Callable[[Proxy, Path], Launch]
    read: Callable[[Path], Call]
    edit: Callable[[Path, str, str], Call]
    shell: Callable[[str], Call]
    asks_again: bool = False

    def steps(self, file: Path, old: str, new: str, command: str) -> list[Call]:
        return [self.read(file), self.edit(file, old, new), self.shell(command)]


def _qwen_code(proxy: Proxy, home: Path) -> Launch:
    told = home / ".qwen" / "settings.json"
    told.parent.mkdir(parents=True)
    told.write_text(
        json.dumps({"privacy": {"usageStatisticsEnabled": False}, "general": {"enableAutoUpdate": False}}),
        encoding="utf-8",
    )
    program = str(NODE / "node_modules" / ".bin" / "qwen")
    return Launch(
        ["node", program, "--yolo", "--auth-type", "openai", "-p", TASK],
        {"OPENAI_BASE_URL": proxy.base_url, "OPENAI_API_KEY": "any", "OPENAI_MODEL": "gpt-4o"},
    )


CONTINUE_CONFIG = """\
name: bridge
version: 1.0.0
schema: v1
models:
  - name: bridge
    provider: openai
    model: gpt-4o
    apiBase: {base_url}
    apiKey: any
    roles: [chat]
    capabilities: [tool_use]
"""


def _continue(proxy: Proxy, home: Path) -> Launch:
    return _continue_at(proxy.base_url, home)


def continue_proxied(proxy: Proxy, home: Path) -> Launch:
    """At OpenAI's own address, through the bridge as a proxy."""
    launch = _continue_at("https://api.openai.com/v1", home)
    through = {"HTTPS_PROXY": proxy.url, "NODE_EXTRA_CA_CERTS": str(proxy.authority)}
    return Launch(launch.command, {**launch.environment, **through})


def _continue_at(base_url: str, home: Path) -> Launch:
    told = home / "continue.yaml"
    told.write_text(CONTINUE_CONFIG.format(base_url=base_url), encoding="utf-8")
    program = str(NODE / "node_modules" / ".bin" / "cn")
    return Launch(
        ["node", program, "--config", str(told), "--auto", "-p", TASK],
        {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_METRICS_ENABLED": "0", "CONTINUE_CLI_AUTO_UPDATED": "1"},
    )


QWEN_CODE = AgentCLI(
    name="qwen-code",
    program=NODE / "node_modules" / "@qwen-code",
    launch=_qwen_code,
    read=lambda file: ("read_file", {"file_path": str(file)}),
    edit=lambda file, old, new: ("edit", {"file_path": str(file), "old_string": old, "new_string": new}),
    shell=lambda command: ("run_shell_command", {"command": command, "is_background": False}),
    asks_again=True,
)
CONTINUE = AgentCLI(
    name="continue",
    program=NODE / "node_modules" / "@continuedev",
    launch=_continue,
    read=lambda file: ("Read", {"filepath": str(file)}),
    edit=lambda file, old, new: (
        "MultiEdit",
        {"file_path": str(file), "edits": [{"old_string": old, "new_string": new}]},
    ),
    shell=lambda command: ("Bash", {"command": command}),
)

LARGE_NODE = NODE / "large" / "node_modules"
NOWHERE = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
"""For programs that are not Node's, which nobody watches: what leaves the machine ends at a closed port."""


def _opencode(proxy: Proxy, home: Path) -> Launch:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": proxy.base_url, "apiKey": "any"},
        "models": {"gpt-4o": {}},
    }
    told = home / ".config" / "opencode" / "opencode.json"
    told.parent.mkdir(parents=True)
    settings = {"provider": {"bridge": provider}, "autoupdate": False, "share": "disabled"}
    told.write_text(json.dumps({**settings, "permission": {"edit": "allow", "bash": "allow"}}), encoding="utf-8")
    program = str(LARGE_NODE / ".bin" / "opencode")
    quiet = {f"OPENCODE_DISABLE_{name}": "1" for name in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD")}
    # With a title given it does not ask for one, in a request of its own beside the first.
    command = [program, "run", "--model", "bridge/gpt-4o", "--title", "A task", TASK]
    return Launch(command, {**NOWHERE, **quiet})


def _cline(proxy: Proxy, _home: Path) -> Launch:
    program = str(LARGE_NODE / ".bin" / "cline")
    provider = ["-p", "openai-compatible", "-k", "any", "-m", "gpt-4o", "-b", proxy.base_url]
    return Launch([program, "-P", "openai-compatible", TASK], NOWHERE, first=[program, "auth", *provider])


def _patch(file: Path, old: str, new: str) -> str:
    minus = "".join(f"-{line}\n" for line in old.splitlines())
    plus = "".join(f"+{line}\n" for line in new.splitlines())
    return f"*** Begin Patch\n*** Update File: {file}\n@@\n{minus}{plus}*** End Patch"


OPENCODE = AgentCLI(
    name="opencode",
    program=LARGE_NODE / "opencode-ai",
    launch=_opencode,
    read=lambda file: ("read", {"filePath": str(file)}),
    edit=lambda file, old, new: ("edit", {"filePath": str(file), "oldString": old, "newString": new}),
    shell=lambda command: ("bash", {"command": command}),
)
CLINE = AgentCLI(
    name="cline",
    program=LARGE_NODE / "cline",
    launch=_cline,
    read=lambda file: ("read_files", {"files": [{"path": str(file)}]}),
    edit=lambda file, old, new: ("apply_patch", {"input": _patch(file, old, new)}),
    shell=lambda command: ("run_commands", {"commands": [command]}),
    asks_again=True,
)

LARGE = (OPENCODE, CLINE)
SMALL = (QWEN_CODE, CONTINUE)
