"""Random bytes of clients and of Qwen through mitmproxy's HTTP layer, in HTTP/1.1 and HTTP/2, without sockets."""

from __future__ import annotations

import logging

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from tests.fuzz import layering
from tests.fuzz.shares import CASES


@pytest.mark.timeout(7200)
async def test_whatever_comes_over_the_wire_is_answered_legally(caplog: pytest.LogCaptureFixture) -> None:
    """No exception, nothing kept, no illegal answer, and no connection to OpenAI."""
    caplog.set_level(logging.ERROR)
    wrong: list[str] = []
    with taddons.context(Proxyserver()) as context:
        context.options.update(connection_strategy="lazy")
        for seed in range(CASES["layer"]):
            try:
                wrong += [f"case {seed}: {problem}" for problem in await layering.one(seed, context.options)]
            except Exception as error:
                wrong.append(f"case {seed}: {error!r}")
            wrong += [f"case {seed}: logged {record.getMessage()}" for record in caplog.records]
            caplog.clear()
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:20])


async def test_good_bytes_are_among_them() -> None:
    """Enough cases get as far as an answer: a generator of nothing but garbage would show nothing."""
    with taddons.context(Proxyserver()) as context:
        context.options.update(connection_strategy="lazy")
        seen = [status for seed in range(300) for status in await layering.statuses(seed, context.options)]
    assert seen.count(200) > 15
    assert seen.count(400) > 50
