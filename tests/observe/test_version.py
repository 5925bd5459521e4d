"""Which version this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from qwen_bridge.observe import version


def test_the_installed_version_is_named() -> None:
    """It is the package's own."""
    assert version.bridge_version()[0].isdigit()


def test_source_without_a_package_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """mitmproxy may load the source where nothing was installed; that is no fault."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "version", missing)
    assert version.bridge_version() == version.UNKNOWN
