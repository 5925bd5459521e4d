"""A simulated Qwen in which anything may go wrong at any time, by a seed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from qwen_bridge.simulator.faults import FAULTS
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.strikes import COMPLETIONS, NEW_CHAT, Break
from qwen_bridge.simulator.world import Settings

ACCOUNTS = {"sim-token": "first-user", "sim-token-2": "second-user"}
STREAMS = 8
"""Answers at once that an account bears; the bridges are told the same."""

STALLS = {"stall_before_headers", "stall_mid_stream"}
HEAVY = {"huge_line": {"size": 300_000}, "garbage": {"size": 2000}}
SPARED = {
    "duplicate_frames": "nothing in the protocol tells a frame that came twice from a word that was said twice",
}
THROTTLES = ("rate_limited_v2", "parallel_limited", "http_429")


class ChaosQwen(Simulator):
    """Every request draws its fate: the pace of its answer, and perhaps a fault. `calm` ends the faults."""

    def __init__(self, seed: str, rate: float, max_streams: int | None = STREAMS) -> None:
        super().__init__(settings=Settings(accounts=ACCOUNTS, max_streams=max_streams, seed=seed))
        self.calm = False
        self.struck: Counter[str] = Counter()
        self._chance = random.Random(f"{seed}/faults")
        self._rate = rate
        self._throttled: dict[str, str] = {}
        self._faults = [name for name in FAULTS if name not in SPARED]
        self._weights = [0.25 if name in STALLS else 1.0 for name in self._faults]

    def throttle(self, token: str, fault: str | None) -> None:
        """From now on every request of the account is refused in this way; None ends it."""
        if fault is None:
            self._throttled.pop(token, None)
        else:
            self._throttled[token] = fault

    def delete_chats(self, count: int) -> int:
        """The user tidies up in the browser: chats in which nothing runs are gone."""
        idle = [chat for chat in self.world.chats if not self.world.busy(chat.id)]
        chosen = self._chance.sample(idle, min(count, len(idle)))
        for chat in chosen:
            self.world.chats.delete([chat.id], chat.account)
        return len(chosen)

    def strike_at_head(self, request: Request) -> Break | None:
        if request.method == "POST" and request.path in (COMPLETIONS, NEW_CHAT):
            self._deal(request)
        return super().strike_at_head(request)

    def _deal(self, request: Request) -> None:
        new_chat = request.path == NEW_CHAT
        if self.world.peek("chats/new" if new_chat else "completions") is not None:
            return  # a rule refused the request that the last one was meant for
        throttled = self._throttled.get(request.cookie("token") or "")
        fault = throttled or (self._drawn() if self._chance.random() < self._rate and not self.calm else None)
        if new_chat:
            if fault is not None and (FAULTS[fault].refusal is not None or FAULTS[fault].breaks is not None):
                self.struck[fault] += 1
                self.script([{"fault": fault, "on": "chats/new"}])
            return
        entry: dict[str, Any] = {"chunk": self._chance.choice([4, 8, 30]), "pace": self._chance.choice([80, 200, 400])}
        if fault is not None:
            self.struck[fault] += 1
            entry |= {"fault": fault, **HEAVY.get(fault, {})}
        elif self._chance.random() < 0.1:
            entry["cut"] = f"random:{self._chance.randrange(10**6)}"
        self.script([entry])

    def _drawn(self) -> str:
        return self._chance.choices(self._faults, self._weights)[0]
