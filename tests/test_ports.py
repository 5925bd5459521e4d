"""The promises of the ports: the real clock, ids and counters keep them."""

from __future__ import annotations

import re
import uuid

from qwen_bridge.bridge.machine import RandomIds, SystemClock
from qwen_bridge.ports import Anchor, Clock, IdSource


def test_ids_have_the_promised_form() -> None:
    """UUIDs are canonical, tokens are 24 letters and digits, and no two are alike."""
    ids: IdSource = RandomIds()
    made = ids.uuid()
    assert str(uuid.UUID(made)) == made
    tokens = {ids.token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9]{24}", token) for token in tokens)


def test_the_clock_never_goes_back() -> None:
    """Two looks at the monotonic clock are in order; the wall clock is in seconds of this century."""
    clock: Clock = SystemClock()
    first, second = clock.monotonic(), clock.monotonic()
    assert first <= second
    assert 1_700_000_000 < clock.now() < 4_200_000_000


def test_an_anchor_holds_ids_and_digests_only() -> None:
    """What a store keeps has no place for the text of a conversation."""
    assert set(Anchor.__slots__) == {
        "chat_id", "parent_id", "model", "account", "instructions", "depth", "previous"
    }  # fmt: skip
