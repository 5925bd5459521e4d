"""The simulator as a program of its own, read and scripted over HTTP as the contract of `qwen-bridge simulate` says."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.harness.proxy import started, wait_until_listening
from tests.harness.sockets import HOST, free_port


class RemoteSimulator:
    """`url` is where Qwen is; the methods are the control endpoints."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)

    def script(self, *answers: dict[str, Any]) -> None:
        self._http.post("/_simulator/script", json={"answers": list(answers)}).raise_for_status()

    def reset(self) -> None:
        self._http.post("/_simulator/reset").raise_for_status()

    def ledger(self) -> dict[str, Any]:
        answer = self._http.get("/_simulator/ledger")
        answer.raise_for_status()
        ledger: dict[str, Any] = answer.json()
        return ledger

    @property
    def turns(self) -> list[dict[str, Any]]:
        turns: list[dict[str, Any]] = self.ledger()["turns"]
        return turns

    def close(self) -> None:
        self._http.close()


@contextlib.contextmanager
def simulate(state: Path, *arguments: str) -> Iterator[RemoteSimulator]:
    """`qwen-bridge simulate` on a free port."""
    port = free_port()
    log = state / f"simulator-{port}.log"
    command = [sys.executable, "-m", "qwen_bridge.cli", "simulate", "--port", str(port), *arguments]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        remote = RemoteSimulator(f"http://{HOST}:{port}")
        try:
            yield remote
        finally:
            remote.close()
