"""What mitmweb and mitmproxy show of a turn, and how many turns they keep.

mitmproxy keeps every flow it shows for as long as it runs and has no option against it (issue 4129), so whoever watches
the bridge for a day would watch it eat the machine. Only the newest finished flows are kept.
"""

from __future__ import annotations

from typing import Any

from mitmproxy import ctx, http
from mitmproxy.contentviews import Contentview, Metadata

from qwen_bridge.observe.readable import answer, question
from qwen_bridge.observe.redaction import redact
from qwen_bridge.proxy.rewrite import conceal

NOTE = "qwen_bridge"
"""Key of our note in `flow.metadata`: text and bytes only, so that flows can still be saved."""


def note(flow: http.HTTPFlow, request_id: str, body: bytes) -> None:
    """Keep what the client asked: the flow's own request becomes the question to Qwen.

    mitmproxy has read the proxy's own password by now, and keeps it beside the flow: it goes, with whatever was left in
    the headers for it.
    """
    conceal(flow.request)
    flow.metadata.pop("proxyauth", None)
    flow.metadata[NOTE] = {"request_id": request_id, "client": body, "route": "undecided"}


class QwenBridgeView(Contentview):
    """Both requests of a turn, and the answer put together."""

    name = "Qwen bridge"
    syntax_highlight = "none"

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """The readable form; `metadata.flow` is one of ours, or the data is shown as an answer."""
        flow = metadata.flow
        if isinstance(flow, http.HTTPFlow) and metadata.http_message is flow.request:
            kept: dict[str, Any] = flow.metadata.get(NOTE, {})
            return redact(question(kept.get("client", b""), data, kept.get("route", "")))
        kept = flow.metadata.get(NOTE, {}) if isinstance(flow, http.HTTPFlow) else {}
        return redact(answer(data, kept.get("calls", "")))

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """First choice for flows of ours, none for others."""
        return 10 if metadata.flow is not None and NOTE in metadata.flow.metadata else -1


def prune(limit: int) -> None:
    """Drop the oldest finished flows once there are a tenth more than `limit`; does nothing under mitmdump."""
    view = ctx.master.addons.get("view")
    if view is None or view.store_count() <= limit + max(1, limit // 10):
        return
    flows = view.resolve("@all")
    for flow in flows[: len(flows) - limit]:
        if not flow.live:
            view.remove([flow])  # several at once are announced in the log
