"""What to tell the owner of settings that can be used, and are not as they should be. Errors end the start instead."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from qwen_bridge.bridge.clients import sessions
from qwen_bridge.settings.file import config_path
from qwen_bridge.settings.settings import Settings

SECRETS = ("token", "cookies", "bx_umidtoken", "profiles", "redis_url", "upstream_proxy", "client_keys")
"""Settings that nobody else should read."""


def cautions(settings: Settings, file: Path | None = None) -> Sequence[str]:
    """One sentence for each thing to be mended; `file` is the TOML file, the usual one if it is not given."""
    found = []
    file = file or config_path()
    if any(getattr(settings, name) is not None for name in SECRETS) and _is_exposed(file):
        found.append(f"other users of this machine can read your secrets in {file}: chmod 600 it")
    for name, session in sessions(settings).items():
        if name and session.missing():
            missing = ", ".join(word.removeprefix("QWEN_").lower() for word in session.missing())
            found.append(f"the profile {name!r} has no complete session, and its clients get errors: {missing} missing")
    return found


def _is_exposed(file: Path) -> bool:
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRGRP | stat.S_IROTH))
