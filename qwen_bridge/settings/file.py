"""Where settings are written down: the names in the environment, and the file."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_config_path

ENVIRONMENT = "QWEN_"
"""Prefix of the environment variables; the rest is the field's name in capitals."""


def config_path() -> Path:
    """The TOML file that `Settings.load` reads, whether it exists or not."""
    named = os.environ.get(ENVIRONMENT + "CONFIG")
    return Path(named).expanduser() if named else user_config_path("qwen-bridge") / "config.toml"
