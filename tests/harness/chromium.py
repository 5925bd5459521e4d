"""A headless Chromium behind the proxy, driven over the pipes of its DevTools protocol. Skips where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.browser_command import arguments
from tests.harness.proxy import Proxy

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium, which is not installed here")

PATIENCE = 60.0
"""Seconds for one answer of the browser's; its first start takes some."""


class Chromium:
    """One browser with one page."""

    def __init__(self, reader: asyncio.StreamReader, writing: int) -> None:
        self._reader = reader
        self._writing = writing
        self._count = 0
        self._session: str | None = None

    async def begin(self) -> None:
        """Open the page."""
        target = (await self._call("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self._call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self._call("Page.enable")

    async def open(self, url: str) -> None:
        """Go to an address, and wait until it is there; fails when it cannot be opened."""
        gone = await self._call("Page.navigate", url=url)
        assert "errorText" not in gone, gone
        await self.arrived(url)

    async def arrived(self, url: str) -> None:
        """Wait until the page is at an address."""
        for _ in range(600):
            with contextlib.suppress(RuntimeError):  # the page it was at has just gone
                if await self.run("[document.readyState, location.href]") == ["complete", url]:
                    return
            await asyncio.sleep(0.05)
        raise AssertionError(f"the browser is at {await self.run('location.href')}, not at {url}")

    async def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited. Raises `RuntimeError` with what it throws."""
        told = await self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"])
        return told["result"].get("value")

    async def close(self) -> None:
        """Let it end."""
        self._session = None
        with contextlib.suppress(RuntimeError, OSError, asyncio.IncompleteReadError, TimeoutError):
            await self._call("Browser.close")

    async def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        async with asyncio.timeout(PATIENCE):
            while True:
                told = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                if told.get("id") == number:
                    break
        if "error" in told:
            raise RuntimeError(told["error"])
        result: dict[str, Any] = told["result"]
        return result


@contextlib.asynccontextmanager
async def chromium(proxy: Proxy, folder: Path) -> AsyncIterator[Chromium]:
    """A fresh browser that uses the proxy for everything, and trusts its authority."""
    assert PROGRAM is not None
    profile = folder / "browser"
    profile.mkdir()
    command = [
        PROGRAM,
        "--headless=new",
        "--no-sandbox",  # the tests may run as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
        *arguments(proxy.url, proxy.authority, profile),
        "--proxy-bypass-list=<-loopback>",
        "about:blank",
    ]
    (to_it, writing), (reading, from_it) = _high(os.pipe()), _high(os.pipe())
    log = str(folder / "browser.log")
    number = os.posix_spawn(  # noqa: ASYNC221  (returns once the program has begun; subprocess cannot give it 3 and 4)
        PROGRAM,
        command,
        {**os.environ, "HOME": str(profile)},
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, to_it, 3),
            (os.POSIX_SPAWN_DUP2, from_it, 4),
        ],
    )
    os.close(to_it)
    os.close(from_it)
    reader = asyncio.StreamReader(limit=16 * 1024 * 1024)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
    )
    browser = Chromium(reader, writing)
    try:
        await browser.begin()
        yield browser
    finally:
        await browser.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(number, signal.SIGKILL)  # its own session: it and its children, nobody else
        await asyncio.to_thread(os.waitpid, number, 0)
        pipe.close()
        os.close(writing)


def _high(pair: tuple[int, int]) -> tuple[int, int]:
    """The pipe under numbers that the browser's own (3 and 4) do not overwrite."""
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in pair]
    for end in pair:
        os.close(end)
    return moved[0], moved[1]
