"""The bridge's own pages, without a network; the whole road is proved in tests/e2e/test_control.py."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.bridge.bridge import Call
from qwen_bridge.errors import ForeignSite, MethodNotAllowed, NotLocal
from qwen_bridge.exchange.effects import Begin, Data, Effect
from qwen_bridge.observe.journal import Journal
from qwen_bridge.observe.metrics import PrometheusMetrics
from qwen_bridge.proxy.control import Control, Page, page_of
from qwen_bridge.proxy.door import Door, Visit, Visitor
from qwen_bridge.settings.settings import Settings
from tests.proxy.test_turn import bridge

HERE = Visitor(own=True, local=True, host="127.0.0.1:8080", origin=None, site=None)


async def ask(path: str, visitor: Visitor = HERE, method: str = "GET", **chosen: Any) -> Sequence[Effect] | None:
    settings = Settings(state=Path(), **chosen)
    control = Control(settings, PrometheusMetrics(), Journal(time.time()), ["this request"])
    return await control.answer(Call(method, path, {}, b""), Visit(Door.of(settings), visitor), bridge())


def status(effects: Sequence[Effect] | None) -> int:
    assert effects is not None
    begin = effects[0]
    assert isinstance(begin, Begin)
    return begin.status


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", Page.STATUS),
        ("/status?refresh", Page.STATUS),
        ("/metrics?x=1", Page.METRICS),
        ("/v1/models", None),
        ("/statusx", None),
        ("//", None),
        ("", None),
    ],
)
def test_paths_of_pages(path: str, page: Page | None) -> None:
    """Exactly these; everything else is the API's."""
    assert page_of(path) is page


@pytest.mark.parametrize("path", ["/", "/status", "/status.json", "/metrics"])
async def test_the_status_is_for_this_machine(path: str) -> None:
    """Unless its owner opens it; whoever keeps the bridge running may always ask whether it lives."""
    away = replace(HERE, local=False)
    with pytest.raises(NotLocal, match="status_page"):
        await ask(path, away)
    assert status(await ask(path, away, status_page="open")) == 200
    assert status(await ask("/healthz", away)) == 200
    assert status(await ask("/readyz", away)) == 200
    assert await ask(path, status_page="off") is None


async def test_a_page_is_read_and_not_written() -> None:
    """There is nothing to change."""
    with pytest.raises(MethodNotAllowed):
        await ask("/status", method="POST")
    assert status(await ask("/status", method="HEAD")) == 200


async def test_a_page_of_another_site_gets_none() -> None:
    """Not even one whose origin may use the API."""
    with pytest.raises(ForeignSite):
        await ask("/status", replace(HERE, origin="http://localhost:3000"), web_origins=("http://localhost:3000",))


async def test_under_openais_name_there_is_no_page() -> None:
    """The path then is OpenAI's."""
    assert await ask("/status", replace(HERE, own=False)) is None
    assert await ask("/status", replace(HERE, host="api.openai.com")) is None


async def test_the_one_that_asks_is_not_counted() -> None:
    """An idle bridge says that it is idle."""
    effects = await ask("/metrics")
    assert effects is not None
    assert any(isinstance(e, Data) and b"qwen_bridge_active_turns 0.0" in e.chunk for e in effects)
