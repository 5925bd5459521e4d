"""The bridge's own pages: how it is, for people, for Prometheus and for whoever keeps it running.

They are served on the bridge's own port only, never under OpenAI's name, and read but never change anything.
`/healthz` says that the process answers, `/readyz` that a question would be let through to Qwen (without asking Qwen).
"""

from __future__ import annotations

import enum
import time
from collections.abc import Sequence, Sized

import orjson

from qwen_bridge.bridge.bridge import Bridge, Call
from qwen_bridge.errors import MethodNotAllowed, NotLocal
from qwen_bridge.exchange.effects import Begin, Data, Effect, End, Headers
from qwen_bridge.observe.journal import Journal
from qwen_bridge.observe.metrics import PrometheusMetrics
from qwen_bridge.observe.page import HEADERS, page
from qwen_bridge.observe.status import Standing, problems, status
from qwen_bridge.observe.version import bridge_version
from qwen_bridge.proxy.door import Visit, Visitor
from qwen_bridge.settings.settings import Settings

JSON: Headers = (("content-type", "application/json"),)

SAFE: Headers = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
)
"""Headers of every page: no other site may frame, embed, keep or learn anything of it."""


class Page(enum.Enum):
    """The pages; a value is the paths that lead there."""

    STATUS = ("/", "/status")
    JSON = ("/status.json",)
    METRICS = ("/metrics",)
    ALIVE = ("/healthz",)
    READY = ("/readyz",)


_PAGES = {path: page for page in Page for path in page.value}
_FOR_ANYBODY = {Page.ALIVE, Page.READY}
"""Pages for load balancers and containers: they tell nothing that a request to the API would not."""


def page_of(path: str) -> Page | None:
    """The page that a request target asks for, if any."""
    return _PAGES.get(path.partition("?")[0])


class Control:
    """Answers for the pages of one configuration. `turns` are the requests that are being answered."""

    def __init__(self, settings: Settings, metrics: PrometheusMetrics, journal: Journal, turns: Sized) -> None:
        self._settings = settings
        self._metrics = metrics
        self._journal = journal
        self._turns = turns

    def asked(self, visit: Visit, path: str) -> Page | None:
        """The page that a request asks for, known from its head. A page needs no client key: it spends nothing."""
        asked = page_of(path) if visit.door.is_person(visit.visitor) else None
        return None if self._settings.status_page == "off" and asked not in _FOR_ANYBODY else asked

    async def answer(self, call: Call, visit: Visit, bridge: Bridge) -> Sequence[Effect] | None:
        """The page that the call asks for; None when it asks for none.

        Raises `MethodNotAllowed`, `NotLocal`, and what `Door.admit_person` does.
        """
        asked = self.asked(visit, call.path)
        if asked is None:
            return None
        visit.door.admit_person(visit.visitor)
        if call.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{call.path.partition('?')[0]} takes GET, not {call.method[:20]}.")
        if asked not in _FOR_ANYBODY and not visit.visitor.local and self._settings.status_page != "open":
            raise NotLocal(
                "The status of the bridge is shown on its own machine only. Look there, or set `status_page` to open."
            )
        return await self._page(asked, call, visit.visitor, bridge)

    async def _page(self, asked: Page, call: Call, visitor: Visitor, bridge: Bridge) -> Sequence[Effect]:
        if asked is Page.ALIVE:
            return _whole(200, JSON, orjson.dumps({"status": "ok", "version": bridge_version()}))
        standing = await self._standing(visitor, bridge)
        match asked:
            case Page.READY:
                hindrances = problems(standing)
                body = orjson.dumps({"ready": not hindrances, "problems": hindrances})
                return _whole(503 if hindrances else 200, JSON, body)
            case Page.METRICS:
                self._level(standing)
                content_type, text = self._metrics.exposition(call.headers.get("accept", ""))
                return _whole(200, (("content-type", content_type),), text)
            case Page.JSON:
                return _whole(200, JSON, orjson.dumps(self._status(standing), option=orjson.OPT_INDENT_2))
        shown = page(self._status(standing), refresh=call.path.partition("?")[2] == "refresh")
        return _whole(200, HEADERS, shown.encode())

    def _status(self, standing: Standing) -> dict[str, object]:
        return status(standing, self._journal, time.time())

    async def _standing(self, visitor: Visitor, bridge: Bridge) -> Standing:
        return Standing(
            version=bridge_version(),
            address=f"http://{visitor.host}",
            upstream=self._settings.upstream,
            store_kind=self._settings.store,
            accounts=bridge.overview.accounts(),
            store=await bridge.overview.store(),
            active=max(0, len(self._turns) - 1),  # without the one that asks
        )

    def _level(self, standing: Standing) -> None:
        """What is looked up rather than counted."""
        self._metrics.level("active_turns", standing.active)
        self._metrics.level("queue_length", sum(account.waiting for account in standing.accounts))
        self._metrics.level("store_up", standing.store is not None)
        if standing.store is not None:
            self._metrics.level("store_anchors", standing.store.anchors)
            self._metrics.level("store_chats", standing.store.chats)
        for account in standing.accounts:
            self._metrics.level("account_ready", not account.problem, account=account.name)


def _whole(code: int, headers: Headers, body: bytes) -> Sequence[Effect]:
    return [Begin(code, (*headers, ("content-length", str(len(body))), *SAFE)), Data(body), End()]
