"""What the commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from qwen_bridge.command_line import fail, load, option


def test_a_setting_may_be_named_without_its_prefix() -> None:
    """An option of mitmproxy keeps its own name."""
    assert [option(item) for item in ("model=x", "qwen_model=x", "confdir=y")] == [
        "qwen_model=x",
        "qwen_model=x",
        "confdir=y",
    ]
    with pytest.raises(typer.BadParameter):
        option("model")


def test_settings_that_cannot_be_used_end_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command fails, and says which."""
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    assert load({"qwen_model": "x"}).model == "x"
    with pytest.raises(typer.Exit):
        load({"qwen_thinking": "maybe"})
    with pytest.raises(typer.Exit):
        fail("So it is.")
    assert "thinking" in (told := capsys.readouterr().err)
    assert "So it is." in told
