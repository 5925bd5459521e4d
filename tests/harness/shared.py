"""Where the third-party data lies that tests read and the project never commits.

The folder stands beside the checkout on the project's own machines and in its CI. A user's clone does not have it:
tests that need it are skipped, and say so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
QWEN = DATA / "qwen"
CLIENTS = DATA / "clients"

needs_shared = pytest.mark.skipif(
    not QWEN.is_dir(), reason="needs the recorded captures in ../shared/data, which are not part of the project"
)
