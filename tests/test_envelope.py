"""An error at the border."""

from __future__ import annotations

import pytest

from qwen_bridge.envelope import BridgeError
from qwen_bridge.errors import QuotaExceeded


@pytest.mark.parametrize(("seconds", "header"), [(36000.0, "36000"), (0.2, "1"), (1.6, "2")])
def test_retry_after_is_in_whole_seconds_and_never_zero(seconds: float, header: str) -> None:
    """A client that reads `retry-after: 0` would come back at once."""
    assert ("retry-after", header) in QuotaExceeded("wait", retry_after=seconds).headers()


def test_notes_go_with_the_headers() -> None:
    """What else belongs to an error, such as what is left of a limit, stands beside them."""
    error = BridgeError("wait", retry_after=3.0)
    error.notes = (("x-ratelimit-limit-requests", "3"),)
    assert error.headers() == [("x-should-retry", "false"), ("retry-after", "3"), ("x-ratelimit-limit-requests", "3")]
