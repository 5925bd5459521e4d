"""Where the settings' file lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_bridge.settings.file import config_path


def test_the_file_lies_in_the_users_folder_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the name `config.toml`, or any that `QWEN_CONFIG` gives, home folder written out."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QWEN_CONFIG", raising=False)
    assert (config_path().parent.name, config_path().name) == ("qwen-bridge", "config.toml")
    monkeypatch.setenv("QWEN_CONFIG", "~/mine.toml")
    assert config_path() == tmp_path / "mine.toml"
