"""`qwen-bridge sessions` over a file of learned sessions."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.cli import app
from qwen_bridge.observe import redaction
from tests.bridge.test_sessions import account, learn, settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(redaction, "_known", redaction._Known())


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["sessions", *words, "--state", str(folder)])


def test_the_list_names_accounts_and_shows_no_secret(tmp_path: Path) -> None:
    """Which is used, how old it is; with `list` and without."""
    assert "No session was learned yet" in run(tmp_path, "list").output
    learn(tmp_path, "u1")
    learn(tmp_path, "u2")
    told = run(tmp_path, "list").output
    assert f"{account('u1')[:8]}  used by default" in told
    assert f"{account('u2')[:8]}  not used" in told
    assert "learned-cookie" not in told
    assert CliRunner().invoke(app, ["sessions", "--state", str(tmp_path)]).output == told


def test_another_account_is_used_when_a_person_says_so(tmp_path: Path) -> None:
    """A bridge that runs follows at once."""
    learn(tmp_path, "u1")
    learn(tmp_path, "u2")
    running = Sessions(settings(tmp_path))
    assert running.of("").account == account("u1")
    assert run(tmp_path, "use", account("u2")[:8]).exit_code == 0
    assert running.of("").account == account("u2")


def test_a_forgotten_account_is_no_longer_chosen(tmp_path: Path) -> None:
    """The next one that is learned is."""
    learn(tmp_path, "u1")
    assert run(tmp_path, "forget", account("u1")[:8]).exit_code == 0
    assert not Sessions(settings(tmp_path)).of("").session
    learn(tmp_path, "u2")
    assert Sessions(settings(tmp_path)).of("").account == account("u2")


def test_an_account_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Nothing is changed."""
    learn(tmp_path, "u1")
    told = run(tmp_path, "use", "00000000")
    assert told.exit_code == 1
    assert "qwen-bridge sessions" in told.output


def test_sessions_that_nobody_uses_are_shown_as_such(tmp_path: Path) -> None:
    """With a session in the settings nothing learned is used, and the list says why."""
    learn(tmp_path, "u1")
    told = run(tmp_path, "list", "--set", "token=x")
    assert "not used" in told.output
    assert "None of them is used" in told.output
