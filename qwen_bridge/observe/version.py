"""Which version of the bridge this is, for counters, status page and `--version`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"


def bridge_version() -> str:
    """The version of the installed package; `unknown` where mitmproxy loads the source without it."""
    try:
        return version("qwen-bridge")
    except PackageNotFoundError:
        return UNKNOWN
