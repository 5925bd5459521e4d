"""The script that only shows."""

from __future__ import annotations

import runpy

from mitmproxy import contentviews

from tests.harness.proxy import ROOT


def test_the_script_brings_the_view_and_nothing_else() -> None:
    """It registers the content view; there is no addon that could touch traffic."""
    loaded = runpy.run_path(str(ROOT / "addons" / "inspect.py"))
    assert "qwen bridge" in {name.lower() for name in contentviews.registry.available_views()}
    assert "addons" not in loaded
