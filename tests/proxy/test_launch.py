"""mitmdump and mitmweb with the bridge in them, started as the command line does."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.proxy import ROOT, started, wait_until_listening
from tests.harness.sockets import HOST, free_port

pytestmark = pytest.mark.e2e  # whole processes

PROGRAM = """
import sys
from qwen_bridge.proxy.launch import launch
web, *arguments = sys.argv[1:]
def announce(folder):
    from mitmproxy import ctx
    chain = [type(addon).__name__ for addon in ctx.master.addons.chain]
    print("UP", folder, chain.index("BridgeAddon") < chain.index("NextLayer"), flush=True)
launch(arguments, web=web == "web", announce=announce)
"""


def command(tmp_path: Path, port: int, *arguments: str, web: bool = False) -> list[str]:
    """A start in a folder of its own."""
    chosen = ["--listen-host", HOST, "--listen-port", str(port), "--set", f"confdir={tmp_path}"]
    chosen += ["--set", f"qwen_state={tmp_path}", "--set", "qwen_store=memory"]
    if web:
        chosen += ["--set", "web_open_browser=false", "--set", f"web_port={free_port()}"]
    return [sys.executable, "-c", PROGRAM, "web" if web else "dump", *chosen, *arguments]


def failing(line: list[str]) -> str:
    """What a start says that must end with status 1."""
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 1, done
    assert "UP" not in done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize("web", [False, True], ids=["mitmdump", "mitmweb"])
def test_it_is_announced_when_it_is_up(web: bool, tmp_path: Path) -> None:
    """Once, with the folder of the certificate authority, the bridge standing before mitmproxy's own decisions."""
    port, log = free_port(), tmp_path / "log"
    with started(command(tmp_path, port, web=web), log) as process:
        wait_until_listening(port, process, log)
        socket.create_connection((HOST, port)).close()
        process.terminate()
        process.wait(20)
    assert log.read_text().count(f"UP {tmp_path} True") == 1


def test_a_port_that_cannot_be_opened_ends_it(tmp_path: Path) -> None:
    """It says so, and is never announced."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert str(port) in failing(command(tmp_path, port))


def test_a_setting_that_cannot_be_used_ends_it(tmp_path: Path) -> None:
    """The sentence names the option."""
    said = failing(command(tmp_path, free_port(), "--set", "qwen_thinking=maybe"))
    assert "qwen_thinking" in said
    assert "Traceback" not in said


def test_an_option_nobody_knows_ends_it(tmp_path: Path) -> None:
    """mitmproxy would go on without it."""
    assert "qwen_modle" in failing(command(tmp_path, free_port(), "--set", "qwen_modle=x"))
