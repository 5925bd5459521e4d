"""Requests a minute."""

from __future__ import annotations

import pytest

from qwen_bridge.recovery import bucket
from qwen_bridge.recovery.bucket import Buckets


def test_a_full_bucket_is_spent_and_fills_again() -> None:
    """As many as a minute's worth go at once, then one for each part of the minute that passes."""
    buckets = Buckets(3)
    assert [buckets.take("me", 0.0).wait for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    assert buckets.take("me", 19.0).wait == pytest.approx(1.0)
    assert buckets.take("me", 20.0).wait == 0.0
    assert buckets.take("me", 1000.0).left == 2


def test_each_name_has_a_bucket_of_its_own() -> None:
    """What one spends is not missed by another."""
    buckets = Buckets(1)
    assert buckets.take("me", 0.0).wait == 0.0
    assert buckets.take("you", 0.0).wait == 0.0
    assert buckets.take("me", 0.0).wait


def test_headers_say_what_openai_says() -> None:
    """The limit, what is left, and when it is whole again."""
    buckets = Buckets(60)
    buckets.take("me", 0.0)
    assert buckets.take("me", 0.0).headers() == (
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "58"),
        ("x-ratelimit-reset-requests", "2.000s"),
    )


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full ones are forgotten first, then those not used for longest; the others keep their level."""
    monkeypatch.setattr(bucket, "MOST_BUCKETS", 2)
    buckets = Buckets(1)
    buckets.take("rested", 0.0)
    for name in "abc":
        buckets.take(name, 100.0)
    assert list(buckets._buckets) == ["b", "c"]
    assert buckets.take("c", 100.0).wait
