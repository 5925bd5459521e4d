"""Half a minute of load, as `scripts/load` makes ten of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.load.run import loaded, report

SECONDS = float(os.environ.get("LOAD_SECONDS", "15"))


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * SECONDS)
async def test_many_clients_are_all_served(tmp_path: Path) -> None:
    """No request fails, every answer is in its client's history, and a crowd on one account is served in turn."""
    load = await loaded(SECONDS, 30, 200, "ci", tmp_path)
    print(report(load))
    assert load.failures == 0
    assert load.record.wrong == []
    assert load.record.counts["answers"] > 30
    assert load.crowd is not None
    assert load.crowd.wrong == []
    assert len(load.crowd.served) == 200
