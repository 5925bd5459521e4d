"""The clocks of one request."""

from __future__ import annotations

from qwen_bridge.exchange.deadlines import Deadlines, Terms
from qwen_bridge.recovery.policy import RecoveryPolicy

TERMS = Terms(RecoveryPolicy(), first_byte=20.0, idle=5.0, total=100.0, keepalive=3.0, jitter=lambda: 0.0)


def test_qwen_has_longer_for_its_first_byte_than_within_the_answer() -> None:
    """Each silence has its own limit, and a word of Qwen's begins it anew."""
    clocks = Deadlines(TERMS)
    assert clocks.passed(0.0, waiting=True) is None
    assert clocks.passed(19.9, waiting=True) is None
    late = clocks.passed(20.0, waiting=True)
    assert late is not None
    assert "20 seconds" in late.message
    clocks.qwen.broken()
    assert clocks.passed(20.0, waiting=False) is None
    assert clocks.passed(25.0, waiting=False) is not None


def test_the_wait_before_an_attempt_is_not_qwens() -> None:
    """It has not even been asked."""
    clocks = Deadlines(TERMS)
    clocks.attempt(8.0)
    assert clocks.passed(0.0, waiting=True) is None
    assert clocks.passed(27.9, waiting=True) is None
    assert clocks.passed(28.0, waiting=True) is not None


def test_the_total_time_runs_from_the_first_look_and_stops_for_nothing() -> None:
    """Neither words nor attempts begin it anew."""
    clocks = Deadlines(TERMS)
    for now in range(50, 150):
        clocks.qwen.broken()
        clocks.attempt(0.0)
        assert clocks.passed(float(now), waiting=False) is None
    late = clocks.passed(150.0, waiting=False)
    assert late is not None
    assert "100 seconds" in late.message


def test_the_client_waits_when_it_was_told_nothing() -> None:
    """What it was told begins its silence anew."""
    clocks = Deadlines(TERMS)
    assert not clocks.client_waits(0.0)
    assert clocks.client_waits(3.0)
    clocks.client.broken()
    assert not clocks.client_waits(3.0)
