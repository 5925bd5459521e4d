"""A real Redis (or Valkey) on a free port, which a test can kill, stop for a while and start again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.sockets import HOST, free_port

PROGRAMS = ("redis-server", "valkey-server")


class RedisServer:
    """One server process, started and ended by its own process id. `keeps` is whether what it holds outlives it."""

    def __init__(self, folder: Path, *, keeps: bool = False) -> None:
        found = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if found is None:
            pytest.skip("needs redis-server or valkey-server (Debian and Ubuntu: apt-get install redis-server)")
        self._folder = folder
        self._port = free_port()
        self._command = [found, "--port", str(self._port), "--bind", HOST, "--dir", str(folder), "--save", ""]
        self._command += ["--appendonly", "yes" if keeps else "no", "--appendfsync", "always"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self._port

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self._port}/0"

    def start(self) -> None:
        """Return when it answers."""
        with (self._folder / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=subprocess.STDOUT)
        for _ in range(300):
            if self.says(b"PING") == b"+PONG\r\n":
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"{self._command[0]} does not answer:\n{(self._folder / 'redis.log').read_text()}")

    def says(self, command: bytes) -> bytes:
        """What it answers to one command of plain words; nothing when it cannot be reached."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self._port), timeout=5) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(65536)
        return b""

    def kill(self) -> None:
        """`kill -9`, and its end awaited. Nothing when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It keeps its connections and its port, and does nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def redis_server(folder: Path, *, keeps: bool = False) -> Iterator[RedisServer]:
    """A server that answers, ended afterwards; its files go to `folder`. Skips the test where there is no Redis."""
    server = RedisServer(folder, keeps=keeps)
    try:
        server.start()
        yield server
    finally:
        server.kill()
