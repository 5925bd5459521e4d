"""The script that a user names after `-s`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from qwen_bridge.proxy.addon import BridgeAddon
from qwen_bridge.proxy.passage import Refuse
from qwen_bridge.settings.settings import Settings
from tests.harness.proxy import ROOT
from tests.harness.sockets import HOST, free_port
from tests.proxy.test_passage import beginning

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


@pytest.mark.e2e
@pytest.mark.parametrize("script", ["bridge.py", "credentials.py"])
@pytest.mark.parametrize(
    ("toml", "option", "told"),
    [
        ("patiens = 3", "qwen_thinking=on", "patiens: no such setting; did you mean patience?"),
        ("model =", "qwen_thinking=on", "config.toml cannot be read"),
        ("", "qwen_thinking=maybe", "qwen_thinking: Input should be"),
    ],
)
def test_settings_that_cannot_be_used_end_it(script: str, toml: str, option: str, told: str, tmp_path: Path) -> None:
    """In a sentence. mitmproxy by itself would stay up without the script, and pass everything on to OpenAI."""
    (tmp_path / "config.toml").write_text(toml)
    command = [str(MITMDUMP), "-s", str(ROOT / "addons" / script), "--listen-host", HOST, "-p", str(free_port())]
    command += ["--set", f"confdir={tmp_path}", "--set", option]
    environment = os.environ | {"QWEN_CONFIG": str(tmp_path / "config.toml")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path, env=environment
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert told in said
    assert "Traceback" not in said


async def test_without_its_settings_nothing_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where mitmproxy has been up for long, and the script comes later, no error ends it: connections are closed."""
    (tmp_path / "config.toml").write_text("patiens = 3")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    addon = BridgeAddon()
    with taddons.context(addon):
        asked = beginning(b"GET / HTTP/1.1\r\n", server="api.openai.com")
        addon.next_layer(asked)
    assert isinstance(asked.layer, Refuse)
