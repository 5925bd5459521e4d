"""A minute of chaos, as `scripts/chaos` makes ten of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.run import report, storm
from tests.chaos.storms import BLOWS

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = os.environ.get("CHAOS_SEED", "ci")


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(600 + 2 * SECONDS)
async def test_whatever_breaks_nothing_goes_wrong(tmp_path: Path) -> None:
    """Bridges are killed, stores blink, Qwen is full of faults: nothing is wrong in fifty conversations."""
    record = await storm(SECONDS, SEED, 50, tmp_path)
    print(report(record))
    assert record.wrong == []
    assert record.counts["answers"] > 0
    assert record.counts["calls run"] > 0
    assert {name for name in BLOWS if f"blow: {name}" not in record.counts} <= {"Redis stands still", "Redis dies"}
