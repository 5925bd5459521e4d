"""What to tell the owner of settings that can be used, and are not as they should be. Errors end the start instead."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from qwen_bridge.bridge.clients import sessions
from qwen_bridge.settings.file import ENVIRONMENT, config_path
from qwen_bridge.settings.settings import Settings

SECRETS = ("token", "cookies", "bx_umidtoken", "profiles", "redis_url", "upstream_proxy", "client_keys")
"""Settings that nobody else should read."""


ALIKE = 0.8
"""How near a variable's name must be to a setting's, of 1, to be held for a typing mistake: other programs that have to
do with Qwen have variables of their own.
"""


def cautions(
    settings: Settings, file: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Sequence[str]:
    """One sentence for each thing to be mended; `file` is the TOML file, the usual one if it is not given."""
    found = _mistyped(environment)
    file = file or config_path()
    if any(getattr(settings, name) is not None for name in SECRETS) and _is_exposed(file):
        found.append(f"other users of this machine can read your secrets in {file}: chmod 600 it")
    for name, session in sessions(settings).items():
        if name and session.missing():
            missing = ", ".join(word.removeprefix("QWEN_").lower() for word in session.missing())
            found.append(f"the profile {name!r} has no complete session, and its clients get errors: {missing} missing")
    return found


def _mistyped(environment: Mapping[str, str]) -> list[str]:
    """Variables that are ignored, and were hardly meant to be: `QWEN_COOKIE` for `QWEN_COOKIES`."""
    told = []
    for variable in sorted(environment):
        name = variable.removeprefix(ENVIRONMENT).lower()
        if variable.startswith(ENVIRONMENT) and name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=ALIKE)
            told += [
                f"{variable} is no setting and is ignored; did you mean {ENVIRONMENT}{meant.upper()}?" for meant in near
            ]
    return told


def _is_exposed(file: Path) -> bool:
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return bool(mode & (stat.S_IRGRP | stat.S_IROTH))
