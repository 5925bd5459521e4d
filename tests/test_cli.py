"""The command line: what it says, and that it fails fast with a reason."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qwen_bridge.cli import app
from tests.harness.proxy import HOST, free_port, started, wait_until_listening

runner = CliRunner()


@pytest.mark.parametrize("command", ["run", "simulate"])
def test_a_taken_port_is_named(command: str) -> None:
    """The command ends at once and names the port."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = runner.invoke(app, [command, "--port", str(port)])
    assert result.exit_code == 1
    assert str(port) in result.output
    assert "--port" in result.output


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("qwen_upstrem=x", "did you mean upstream"),
        ("qwen_thinking=maybe", "thinking: Input should be"),
        ("upstream=http://example.org", "https"),
        ("parent_from=somebody", "parent_from"),
    ],
)
def test_a_wrong_setting_is_explained(option: str, words: str) -> None:
    """A setting that cannot be used ends the start, with its name and what is possible."""
    result = runner.invoke(app, ["run", "--port", str(free_port()), "--set", option])
    assert result.exit_code == 1
    assert words in result.output


def test_an_option_without_a_value_is_refused() -> None:
    """`--set` takes name=value."""
    result = runner.invoke(app, ["run", "--set", "qwen_model"])
    assert result.exit_code == 2
    assert "name=value" in result.output


def test_an_option_nobody_knows_ends_the_start(tmp_path: Path) -> None:
    """mitmproxy forgives unknown options; one that looks like ours is a typing mistake."""
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(free_port()), "--set", "qwen-model=x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "qwen-model" in done.stdout + done.stderr


def test_run_says_where_to_point_the_client(tmp_path: Path) -> None:
    """Base URL, proxy and the certificate to trust are printed once the port is open."""
    port, log = free_port(), tmp_path / "run.log"
    command = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port), "--state", str(tmp_path)]
    command += ["--set", f"confdir={tmp_path}", "--set", "store=memory"]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        for _ in range(50):
            if "Ctrl-C" in log.read_text():
                break
            socket.create_connection((HOST, port)).close()
    said = log.read_text()
    assert f"http://{HOST}:{port}/v1" in said
    assert str(tmp_path / "mitmproxy-ca-cert.pem") in said


def test_help_does_not_load_mitmproxy() -> None:
    """A question about the options is answered without half a second of imports."""
    code = "import sys; from qwen_bridge.cli import app; print('mitmproxy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
