"""Many requests at once on one account, through real processes: fair, bounded, each answered or refused.

`scripts/crowd` does it with a thousand and prints what it saw.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import httpx

from tests.conformance.invariants import check_error
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.wire import CHAT, question, said

CROWD = int(os.environ.get("CROWD", "60"))
FEW = max(3, CROWD // 20)
ROOM = CROWD - CROWD // 10
"""Places in the queue: not enough for everybody."""


class Crowd:
    """Two clients and what they are told, in the order in which it comes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.told: list[tuple[str, httpx.Response]] = []

    async def ask(self, client: str, number: int) -> None:
        call = question(f"question {number} of {client}", stream=True)
        self.told.append(
            (client, await self._http.post(CHAT, json=call, headers={"authorization": f"Bearer {client}"}))
        )

    def statuses(self, client: str) -> Counter[int]:
        return Counter(answer.status_code for who, answer in self.told if who == client)


def queued(proxy: Proxy) -> int:
    """How many have waited for a turn so far."""
    assert proxy.log is not None
    return proxy.log.read_bytes().count(b"a request waits for its turn")


async def test_a_crowd_is_served_in_turns_or_told_when_to_come_again(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """One client sends nearly all and another a few: the few wait for a round each, and none of them is refused."""
    qwen.script(*[{"text": "slow at first", "chunk": 1, "pace": 10}] * 2)
    chosen = {"store": "memory", "queue_limit": ROOM, "queue_timeout": 600, "drain": 0}
    limits = httpx.Limits(max_connections=None)
    with mitmdump(qwen.url, tmp_path, **chosen) as proxy:
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=600, limits=limits) as http:
            crowd, began = Crowd(http), time.monotonic()
            many = [asyncio.create_task(crowd.ask("many", number)) for number in range(CROWD - FEW)]
            while queued(proxy) < ROOM - CROWD // 20:  # noqa: ASYNC110  (a log of another process)
                await asyncio.sleep(0.05)
            before = crowd.statuses("many")[200]
            few = [asyncio.create_task(crowd.ask("few", n)) for n in range(FEW)]
            await asyncio.gather(*few)
            between, fetched = crowd.statuses("many")[200] - before, time.monotonic() - began
            await asyncio.gather(*many)
    refused = [answer for _, answer in crowd.told if answer.status_code != 200]
    print(
        f"{CROWD} at once, {ROOM} places: {crowd.statuses('many')} and {crowd.statuses('few')}; {between} of the many "
        f"were answered while {FEW} of the few were; the few after {fetched:.1f} s, all after "
        f"{time.monotonic() - began:.1f} s"
    )
    assert crowd.statuses("few") == {200: FEW}
    assert all(said(answer.content) for _, answer in crowd.told if answer.status_code == 200)
    for answer in refused:
        assert not check_error(answer.status_code, answer.headers, answer.content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
    assert len(qwen.turns) == CROWD - len(refused) >= ROOM
    assert qwen.ledger()["refused"] == []
    assert between <= 3 * FEW + CROWD // 10, "the few came while the many were served, and took turns with them"
