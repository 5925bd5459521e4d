"""What all of pytest shares: Hypothesis profiles, the worker for end-to-end tests, and no success without a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# `ci` finds the same on every run and every machine; `deep` looks further: HYPOTHESIS_PROFILE=deep scripts/test …
# Both without anything that a busy machine could trip.
settings.register_profile(
    "ci", max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", max_examples=10_000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

E2E = Path(__file__).parent / "e2e"
RAN = ("passed", "failed", "error", "xfailed", "xpassed")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies under e2e/, and keep everything so marked on one worker: its processes need the other core."""
    for item in items:
        if E2E in item.path.parents:
            item.add_marker("e2e")
        if item.get_closest_marker("e2e") is not None:
            item.add_marker(pytest.mark.xdist_group("e2e"))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run in which every test was skipped has shown nothing: it ends as a run without tests does."""
    config = session.config
    if exitstatus != pytest.ExitCode.OK or config.option.collectonly or hasattr(config, "workerinput"):
        return
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and not any(reporter.stats.get(outcome) for outcome in RAN):
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
