"""A real mitmproxy with the bridge in it: in this process for most tests, or as mitmdump for the user's own road."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mitmproxy import certs, options
from mitmproxy.tools.dump import DumpMaster

from qwen_bridge.proxy.addon import BridgeAddon
from tests.harness.sockets import HOST, free_port

ROOT = Path(__file__).resolve().parents[2]

SESSION = {
    "token": "sim-token",
    "bx_umidtoken": "sim-umid",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
}
"""What the simulator takes for a signed-in browser."""


@dataclass(frozen=True)
class Proxy:
    """One listening bridge."""

    port: int
    confdir: Path
    addon: BridgeAddon | None = None
    process: subprocess.Popen[bytes] | None = None
    log: Path | None = None

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def authority(self) -> Path:
        return self.confdir / "mitmproxy-ca-cert.pem"


def settings(upstream: str, state: Path, chosen: Mapping[str, Any]) -> dict[str, str]:
    """mitmproxy options for a bridge to `upstream` with a valid session; `chosen` are settings by their own names."""
    named = {"upstream": upstream, "state": str(state), "keepalive": "5", "drain": "0", **SESSION, **chosen}
    return {f"qwen_{name}": str(value) for name, value in named.items() if value is not None}


@contextlib.asynccontextmanager
async def in_process(
    upstream: str, state: Path, *, mode: str = "regular", plain: Mapping[str, Any] | None = None, **chosen: Any
) -> AsyncIterator[Proxy]:
    """mitmproxy in the test's own event loop. `chosen` are the bridge's settings, `plain` mitmproxy's own options."""
    confdir = with_authority(state / "conf")
    opts = options.Options(confdir=str(confdir), listen_host=HOST, listen_port=0, mode=[mode], **(plain or {}))
    master = DumpMaster(opts, with_termlog=False, with_dumper=False)
    addon = BridgeAddon()
    master.addons.add(addon)
    opts.set(*(f"{name}={value}" for name, value in settings(upstream, state, chosen).items()), defer=True)
    running = asyncio.create_task(master.run())
    try:
        await _up(master, running)
        (server,) = master.addons.get("proxyserver").servers
        yield Proxy(server.listen_addrs[0][1], confdir, addon=addon)
    finally:
        master.shutdown()
        await running


@contextlib.contextmanager
def mitmdump(upstream: str, state: Path, *arguments: str, **chosen: Any) -> Iterator[Proxy]:
    """`mitmdump -s addons/bridge.py` as a process of its own."""
    port = free_port()
    confdir = with_authority(state / "conf")
    program = Path(sys.executable).with_name("mitmdump")
    command = [str(program), "-s", str(ROOT / "addons" / "bridge.py"), "--listen-host", HOST, "-p", str(port)]
    command += ["--set", f"confdir={confdir}", *arguments]
    for name, value in settings(upstream, state, chosen).items():
        command += ["--set", f"{name}={value}"]
    with started(command, state / f"mitmdump-{port}.log") as process:
        wait_until_listening(port, process, state / f"mitmdump-{port}.log")
        yield Proxy(port, confdir, process=process, log=state / f"mitmdump-{port}.log")


def with_authority(confdir: Path) -> Path:
    """A folder for mitmproxy with a certificate authority in it, unless it has one: to make one costs more than most
    tests, so all bridges of a process share it.
    """
    if not confdir.exists():
        shutil.copytree(_authority().name, confdir)
    return confdir


@functools.cache
def _authority() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="qwen-bridge-authority-")
    certs.CertStore.from_store(folder.name, "mitmproxy", 2048)
    return folder


@contextlib.contextmanager
def started(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, and end it (and only it) afterwards."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QWEN_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env={**clean, **environment}
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when `port` takes connections; raise with the program's output when it ended instead."""
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if process.poll() is not None:
            raise RuntimeError(f"ended with status {process.returncode}:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)
    raise RuntimeError(f"not listening after 30 seconds:\n{log.read_text(errors='replace')}")


def client(proxy: Proxy, **more: Any) -> httpx.AsyncClient:
    """A plain HTTP client for the base URL."""
    # Plain http; a client that could do TLS would read all certificates of the world first.
    return httpx.AsyncClient(base_url=proxy.url, trust_env=False, verify=False, timeout=30, **more)


async def _up(master: DumpMaster, running: asyncio.Task[None]) -> None:
    """Return when mitmproxy has started, down to the last step: until then an error in the log would end it, and its
    port is open some steps before.
    """
    check = master.addons.get("errorcheck").logger
    while check in logging.getLogger().handlers:
        if running.done():
            raise RuntimeError("mitmproxy ended while starting") from running.exception()
        await asyncio.sleep(0.01)
