"""The script that a user names after `-s`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qwen_bridge.settings.settings import Settings
from tests.harness.proxy import ROOT

MITMDUMP = Path(sys.executable).with_name("mitmdump")


def options(*arguments: str, cwd: Path) -> str:
    """What `mitmdump --options` prints with the script, from another folder than the project's."""
    command = [str(MITMDUMP), "-s", str(ROOT / "addons" / "bridge.py"), "--options", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_setting_is_an_option(tmp_path: Path) -> None:
    """mitmdump finds the package wherever it is started, and lists each setting with its name."""
    printed = options(cwd=tmp_path)
    for name in Settings.model_fields:
        assert f"qwen_{name}:" in printed


def test_the_script_says_its_options_in_words() -> None:
    """The docstring, which is the first thing a user reads, names only options that exist."""
    text = (ROOT / "addons" / "bridge.py").read_text(encoding="utf-8")
    named = {word.strip(",.`") for word in text.split() if word.startswith("qwen_") and "." not in word.strip(",.")}
    assert named
    assert {name.removeprefix("qwen_") for name in named} <= set(Settings.model_fields)
