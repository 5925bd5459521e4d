"""Clock and chance."""

from __future__ import annotations

import re
import time

from qwen_bridge.bridge.machine import RandomIds, SystemClock


def test_random_ids_have_the_promised_form() -> None:
    """A canonical UUID of version 4, and 24 letters and digits; no two alike."""
    ids = RandomIds()
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", ids.uuid())
    assert re.fullmatch(r"[A-Za-z0-9]{24}", ids.token())
    assert len({ids.uuid() for _ in range(100)} | {ids.token() for _ in range(100)}) == 200


def test_the_clocks_are_the_machines() -> None:
    """One says what time it is, the other never goes back."""
    clock = SystemClock()
    before = time.time()
    assert before <= clock.now() <= time.time()
    assert clock.monotonic() <= clock.monotonic()
