"""One bridge as its users run it: mitmdump on a port of its own, ended and started again while clients talk to it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.processor import processor_seconds
from tests.harness.proxy import ROOT, settings, with_authority
from tests.harness.sockets import HOST, free_port

PATIENCE = 60.0
"""Seconds for a start, or for the end after a SIGTERM, on a machine that has other things to do."""


class Service:
    """One mitmdump with the bridge. `lives` counts its starts."""

    def __init__(self, name: str, upstream: str, folder: Path, **chosen: Any) -> None:
        self.name = name
        self.lives = 0
        self.processor = 0.0
        self.port = free_port()
        self.folder = folder / name
        self.folder.mkdir()
        with_authority(self.folder / "conf")
        self._chosen = settings(upstream, self.folder, chosen)
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = asyncio.Event()
        self._ends: list[float] = []
        self._kills: list[float] = []

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def authority(self) -> Path:
        return self.folder / "conf" / "mitmproxy-ca-cert.pem"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def up(self) -> None:
        """Return when it takes connections."""
        async with asyncio.timeout(PATIENCE):
            await self._ready.wait()

    def ended_since(self, when: float) -> bool:
        """Whether it was being ended at that moment of the monotonic clock, or has been since."""
        return not self._ready.is_set() or any(end >= when for end in self._ends)

    def killed_since(self, when: float) -> bool:
        """Whether it has been ended without a warning since that moment."""
        return any(kill >= when for kill in self._kills)

    async def start(self) -> None:
        program = Path(sys.executable).with_name("mitmdump")
        scripts = (ROOT / "addons" / "bridge.py", ROOT / "tests" / "chaos" / "errors.py")
        command = [str(program), *(word for script in scripts for word in ("-s", str(script)))]
        command += ["--listen-host", HOST, "-p", str(self.port), "--set", f"confdir={self.folder / 'conf'}"]
        command += [word for name, value in self._chosen.items() for word in ("--set", f"{name}={value}")]
        self._process = self._started(command)
        async with asyncio.timeout(PATIENCE):
            while not await self._listens():
                if self._process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended while starting:\n{self.log[-2000:]}")
                await asyncio.sleep(0.1)
        self.lives += 1
        self._ready.set()

    async def kill(self) -> None:
        """`kill -9`."""
        self._kills += [time.monotonic(), float("inf")]  # the moment is not over before it has ended
        await self._end(signal.SIGKILL)
        self._kills[-1] = time.monotonic()

    async def terminate(self) -> None:
        """SIGTERM, and its end awaited. Raises `RuntimeError` when it does not end."""
        await self._end(signal.SIGTERM)

    def sample(self) -> Mapping[str, int]:
        """What the process holds now: resident bytes and open files. Linux only."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return {"bytes": pages * resource.getpagesize(), "files": len(os.listdir(f"/proc/{self.pid}/fd"))}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def errors(self) -> str:
        """Everything that was logged as an error, in all its lives."""
        file = self.folder / "errors"
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
        return text

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        self._ready.clear()
        self._ends.append(time.monotonic())
        self.processor += processor_seconds(process.pid)
        process.send_signal(number)
        try:
            async with asyncio.timeout(PATIENCE):
                while process.poll() is None:  # noqa: ASYNC110  (another process wakes nobody here)
                    await asyncio.sleep(0.02)
        except TimeoutError:
            process.kill()
            process.wait()
            raise RuntimeError(f"{self.name} did not end within {PATIENCE:g} seconds of {number.name}") from None
        finally:
            self._process = None
            self._ends.append(time.monotonic())

    def _started(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=self._environment())

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self.port)
        except OSError:
            return False
        writer.close()
        return True

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("QWEN_")}
        return {**clean, "CHAOS_ERRORS": str(self.folder / "errors")}
