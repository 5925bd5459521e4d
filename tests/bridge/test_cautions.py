"""Settings that can be used and should be mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_bridge.bridge.cautions import cautions
from qwen_bridge.settings.settings import Settings


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.toml"
    file.write_text('token = "t"\n')
    monkeypatch.setenv("QWEN_CONFIG", str(file))
    return file


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, True), (0o604, True), (0o700, False)])
def test_a_file_that_others_can_read_is_told(config: Path, mode: int, exposed: bool) -> None:
    """With its name and what to do, and nothing of what stands in it."""
    config.chmod(mode)
    told = cautions(Settings.load())
    assert [f"{config}: chmod 600" in sentence for sentence in told] == [True] * exposed


def test_a_file_without_secrets_may_be_read(config: Path) -> None:
    """As may one that is not there."""
    config.write_text('model = "qwen3-max"\n')
    config.chmod(0o644)
    settings = Settings.load()
    assert cautions(settings) == cautions(settings, config.with_name("none.toml")) == []


def test_a_profile_without_a_session_is_told() -> None:
    """Its clients would find out one by one; the settings' own session may still come from elsewhere."""
    half = Settings.load({"profiles": {"work": {"token": "secret"}}})
    (sentence,) = cautions(half, Path("none"))
    assert "'work'" in sentence
    assert "bx_umidtoken, user_agent missing" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("QWEN_COOKIE", "QWEN_COOKIES"),
        ("QWEN_UMIDTOKEN", "QWEN_BX_UMIDTOKEN"),
        ("QWEN_USERAGENT", "QWEN_USER_AGENT"),
        ("QWEN_PATIENS", "QWEN_PATIENCE"),
    ],
)
def test_a_mistyped_variable_is_told(variable: str, meant: str) -> None:
    """Its value is not."""
    (sentence,) = cautions(Settings.load(), Path("none"), {variable: "secret"})
    assert variable in sentence
    assert sentence.endswith(f"did you mean {meant}?")
    assert "secret" not in sentence


@pytest.mark.parametrize(
    "variable", ["QWEN_COOKIES", "QWEN_API_KEY", "QWEN_CODE_HOME", "QWEN_BRIDGE_PYTHON", "QWEN_CONFIG"]
)
def test_variables_that_are_right_or_of_others_are_not_told(variable: str) -> None:
    """Qwen's other programs have theirs."""
    assert cautions(Settings.load(), Path("none"), {variable: "x", "COOKIE": "x"}) == []
