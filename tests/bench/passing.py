"""`mitmdump -s tests/bench/passing.py`: mitmproxy with nothing of ours in it, to compare the bridge with.

It sends what comes in to `passing_to` and lets the answer stream through untouched.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader


class Passing:
    """A redirect, and `stream = True`."""

    def load(self, loader: Loader) -> None:
        loader.add_option("passing_to", str, "", "Scheme, host and port of the upstream.")

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        target = urlsplit(ctx.options.passing_to)
        assert target.hostname is not None
        assert target.port is not None
        flow.request.scheme, flow.request.host, flow.request.port = target.scheme, target.hostname, target.port

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        flow.response.stream = True


addons = [Passing()]
