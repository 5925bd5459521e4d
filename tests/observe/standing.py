"""A bridge's standing and journal with something of everything in it, for whoever shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qwen_bridge.observe.journal import Journal
from qwen_bridge.observe.status import Standing, status
from qwen_bridge.ports import AccountState, Counts
from tests.observe.test_turns import FACTS

NOW = 1_800_000_000.0
WELL = AccountState("default", "104e8e62", "", 0.0, NOW + 90_000, 1, 3)
RESTING = AccountState("second", "aaaaaaaa", "qwen_challenge", 900.0, None, 0, 0, learned=True, seen=NOW - 120)
STANDING = Standing(
    version="1.2.3",
    address="http://127.0.0.1:8080",
    upstream="https://chat.qwen.ai",
    store_kind="sqlite",
    accounts=(WELL, RESTING),
    store=Counts(120, 7, NOW - 60),
    active=2,
)


def journal() -> Journal:
    made = Journal(NOW - 3_700)
    made.enter(replace(FACTS, conversation="new", faults=()), NOW - 100)
    made.enter(FACTS, NOW - 50)
    made.enter(replace(FACTS, conversation="miss reason=unknown_history", outcome="left", left=True), NOW - 20)
    made.enter(replace(FACTS, conversation="none", outcome="qwen_timeout", faults=(("qwen_timeout", "give_up"),)), NOW)
    return made


def shown(standing: Standing = STANDING) -> dict[str, Any]:
    return status(standing, journal(), NOW)
