"""JavaScript clients as programs of their own, with a home of their own and this machine alone in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.proxy import ROOT

NODE = ROOT / "tests" / "e2e" / "node"

needs_node = pytest.mark.skipif(
    not (NODE / "node_modules").is_dir() or shutil.which("node") is None,
    reason="needs node and the packages that scripts/test installs",
)

LONGEST = 100
"""Seconds until a program is held to hang."""


@dataclass(frozen=True)
class Run:
    """What a program did. `strayed` are the places beyond this machine that it tried to reach, and did not."""

    status: int
    output: str
    errors: str
    strayed: tuple[str, ...]


def run(command: Sequence[str], folder: Path, home: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run a client in `folder`, with nothing of this machine's settings."""
    home.mkdir(exist_ok=True)
    strayed = home / "strayed.txt"
    strayed.write_text("", encoding="utf-8")
    clean = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # `python` is this test's own
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHONIOENCODING": "utf-8",
        "NODE_OPTIONS": f"--require={NODE / 'loopback_only.cjs'}",
        "STRAYED_TO": str(strayed),
        **(environment or {}),
    }
    done = subprocess.run(
        command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LONGEST
    )
    beyond = tuple(strayed.read_text(encoding="utf-8").split())
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode(), beyond)
