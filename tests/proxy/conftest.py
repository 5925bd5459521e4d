"""What the proxy's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.options import Options
from mitmproxy.test import taddons

from qwen_bridge.observe.logs import configure


@pytest.fixture(autouse=True)
def _logs_as_in_service() -> None:
    configure()


@pytest.fixture
async def options() -> AsyncIterator[Options]:
    """mitmproxy's options with those of its proxy core, as they are by default but lazy."""
    with taddons.context(Proxyserver()) as context:
        context.options.update(connection_strategy="lazy")
        yield context.options
