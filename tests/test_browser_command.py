"""`qwen-bridge browser`: what a browser is started with, and why it is not."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qwen_bridge.browser_command import AUTHORITY, arguments, key_digest
from qwen_bridge.cli import app
from tests.harness.proxy import with_authority
from tests.harness.sockets import HOST


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have taken the place of this process."""
    calls: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: calls.append(words))
    return calls


def run(folder: Path, *words: str) -> Result:
    confdir = with_authority(folder / "conf")
    given = ("--state", str(folder), "--confdir", str(confdir), "--program", "true")
    return CliRunner().invoke(app, ["browser", *given, *words])


def test_a_browser_of_its_own_goes_through_the_bridge(tmp_path: Path, begun: list[list[str]]) -> None:
    """With a profile that nobody else may read, trust in this one authority, and Qwen's site opened."""
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
        assert run(tmp_path, "--port", str(port)).exit_code == 0
    (words,) = begun
    authority = tmp_path / "conf" / AUTHORITY
    assert words == [
        shutil.which("true"),
        *arguments(f"http://127.0.0.1:{port}", authority, tmp_path / "browser"),
        "https://chat.qwen.ai",
    ]
    assert f"--ignore-certificate-errors-spki-list={key_digest(authority)}" in words
    assert stat.S_IMODE((tmp_path / "browser").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--program", "no-such-browser"), "no program 'no-such-browser'"),
        (("--program", "no-such-browser"), "docs/clients.md"),
        (("--port", "1"), "Nothing answers at port 1"),
        (("--confdir", "nowhere"), "Start the bridge first"),
        (("--set", "token=x"), "learns nothing"),
    ],
)
def test_why_there_is_no_browser(words: tuple[str, str], told: str, tmp_path: Path, begun: list[list[str]]) -> None:
    """Each with what to do."""
    result = run(tmp_path, *words)
    assert result.exit_code == 1
    assert told in result.output
    assert begun == []


def test_the_digest_is_that_of_the_key(tmp_path: Path) -> None:
    """44 characters of Base64; what is no certificate is told by an exception."""
    assert len(key_digest(with_authority(tmp_path / "conf") / AUTHORITY)) == 44
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ValueError, match="PEM"):
        key_digest(tmp_path / "bad.pem")
