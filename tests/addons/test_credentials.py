"""The script that only learns: Qwen's site is read, nothing else is, and another bridge speaks with what it wrote."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.proxy import layers
from mitmproxy.test import taddons

from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.observe import redaction
from tests.harness.proxy import ROOT
from tests.proxy.test_learning import ANSWER, browsing, carry, settings
from tests.proxy.test_passage import beginning


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(redaction, "_known", redaction._Known())


def loaded() -> Any:
    (addon,) = runpy.run_path(str(ROOT / "addons" / "credentials.py"))["addons"]
    return addon


def test_what_it_writes_another_bridge_speaks_with(tmp_path: Path) -> None:
    """Also where that bridge's own settings hold a session, which is none of its business."""
    addon = loaded()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, qwen_state=str(tmp_path), qwen_token="something")
        assert carry(addon, browsing()) == ANSWER
    Sessions(settings(tmp_path)).of("").require(1_900_000_000.0)


def test_only_qwens_site_is_read(tmp_path: Path) -> None:
    """Everything else is joined to its server undecrypted."""
    addon = loaded()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, qwen_state=str(tmp_path))
        qwen, other = beginning(b"GET", server="chat.qwen.ai"), beginning(b"GET", server="example.com")
        addon.next_layer(qwen)
        addon.next_layer(other)
    assert qwen.layer is None
    assert isinstance(other.layer, layers.TCPLayer)


def test_it_does_not_run_for_nothing(tmp_path: Path) -> None:
    """With `learn = off` it says so."""
    addon = loaded()
    with taddons.context(addon) as tctx, pytest.raises(exceptions.OptionsError, match="qwen_learn"):
        tctx.configure(addon, qwen_state=str(tmp_path), qwen_learn="off")


def test_a_request_that_fails_is_forgotten(tmp_path: Path) -> None:
    """Its hooks are the learner's."""
    addon = loaded()
    with taddons.context(addon) as tctx:
        tctx.configure(addon, qwen_state=str(tmp_path))
        flow = browsing()
        addon.requestheaders(flow)
        addon.error(flow)
        assert not Sessions(settings(tmp_path)).of("").session
