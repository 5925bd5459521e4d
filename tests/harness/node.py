"""JavaScript clients as programs of their own, with a home of their own and this machine alone in reach."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
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
    """Run a client in `folder`, with nothing of this machine's settings. Only programs of Node's are watched."""
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
    try:
        done = subprocess.run(
            command, cwd=folder, env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LONGEST
        )
    finally:
        _end_what_stayed(home)
    beyond = tuple(strayed.read_text(encoding="utf-8").split())
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode(), beyond)


def _end_what_stayed(home: Path) -> None:
    """End what the program left running (Cline leaves a server): whatever has this run's home."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGTERM)
