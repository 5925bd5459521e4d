"""The content view, and how many flows the view keeps."""

from __future__ import annotations

import pytest
from mitmproxy import contentviews
from mitmproxy.addons.view import View
from mitmproxy.contentviews import Metadata
from mitmproxy.test import taddons, tflow

from qwen_bridge.proxy.views import NOTE, QwenBridgeView, note, prune


def test_the_view_shows_both_requests_and_the_answer() -> None:
    """On the request side the client's own request stands beside the question to Qwen; the other side is the answer."""
    flow = tflow.tflow(resp=True)
    note(flow, "req_1", b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "my words"}]}')
    view = QwenBridgeView()
    asked = view.prettify(b'{"chat_id": "c1"}', Metadata(flow=flow, http_message=flow.request))
    told = view.prettify(b'{"error": {"code": "x"}}', Metadata(flow=flow, http_message=flow.response))
    assert "my words" in asked
    assert "chat c1" in asked
    assert "error" in told


def test_the_view_is_chosen_for_our_flows_only() -> None:
    """Other people's flows are shown by mitmproxy's own views."""
    ours, other = tflow.tflow(), tflow.tflow()
    note(ours, "req_1", b"")
    view = QwenBridgeView()
    assert view.render_priority(b"", Metadata(flow=ours)) > 1
    assert view.render_priority(b"", Metadata(flow=other)) < 0
    assert view.render_priority(b"", Metadata()) < 0


def test_the_note_can_be_saved_with_the_flow() -> None:
    """A live object in the metadata would make mitmproxy refuse to save the flow."""
    flow = tflow.tflow()
    note(flow, "req_1", b"{}")
    assert flow.get_state()["metadata"][NOTE]["client"] == b"{}"


def test_mitmproxy_accepts_the_view() -> None:
    """The class fulfils mitmproxy's protocol for content views."""
    contentviews.add(QwenBridgeView)
    assert "qwen bridge" in {name.lower() for name in contentviews.registry.available_views()}


def test_only_the_newest_finished_flows_are_kept() -> None:
    """Beyond a tenth over the limit the oldest finished flows go; running ones stay."""
    view = View()
    with taddons.context(view):
        flows = [tflow.tflow(resp=True) for _ in range(30)]
        for position, flow in enumerate(flows):
            flow.live = position == 0
        view.add(flows)
        prune(40)
        assert view.store_count() == 30
        prune(10)
        kept = view.resolve("@all")
    assert list(kept) == [flows[0], *flows[20:]]


def test_without_a_view_nothing_happens() -> None:
    """mitmdump keeps no flows."""
    with taddons.context():
        prune(1)


@pytest.fixture(autouse=True)
def _registry() -> None:
    """The registry is mitmproxy's global one; adding the same view again replaces it."""
