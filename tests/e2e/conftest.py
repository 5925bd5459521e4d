"""What end-to-end tests share: a simulated Qwen in the test's loop, and the whole road as processes of their own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from qwen_bridge.simulator.server import Simulator
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator, simulate
from tests.harness.sockets import free_port


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture(scope="session")
def _qwen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSimulator]:
    with simulate(tmp_path_factory.mktemp("simulator")) as remote:
        yield remote


@pytest.fixture
def qwen(_qwen: RemoteSimulator) -> RemoteSimulator:
    """`qwen-bridge simulate`, its ledger empty."""
    _qwen.reset()
    return _qwen


@pytest.fixture(scope="session")
def ways(_qwen: RemoteSimulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Proxy]]:
    """One mitmdump with two modes at once, and the ways in that it offers."""
    state: Path = tmp_path_factory.mktemp("mitmdump")
    reverse = free_port()
    modes = ("--mode", "regular", "--mode", f"reverse:{_qwen.url}@{reverse}")
    with mitmdump(_qwen.url, state, *modes) as proxy:
        yield {"base URL": proxy, "reverse": Proxy(reverse, proxy.confdir), "proxy": proxy}


@pytest.fixture
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The test fails when mitmproxy or the bridge logged an error: a crash that nobody noticed."""
    yield
    errors = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert errors == []
