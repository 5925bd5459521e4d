"""More requests at once than an account bears, by far: everybody is served in turn, or told no in time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.chaos.service import Service
from tests.conformance.framing import strict_json
from tests.conformance.invariants import check_body, check_error

CLIENTS = 10


@dataclass
class Crowd:
    """What became of a crowd. `served` are the clients in the order in which they had their answers."""

    served: list[int] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest: float = 0.0
    seconds: float = 0.0

    @property
    def spread(self) -> int:
        """How far apart the clients were at most: answers of the one served most, less those of the one served least,
        at any moment.
        """
        counts = dict.fromkeys(range(CLIENTS), 0)
        widest = 0
        for client in self.served:
            counts[client] += 1
            widest = max(widest, max(counts.values()) - min(counts.values()))
        return widest


async def rush(service: Service, size: int) -> Crowd:
    """`size` requests in one instant, by ten clients."""
    crowd = Crowd()
    began = time.monotonic()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=service.url, trust_env=False, verify=False, timeout=None, limits=limits
    ) as http:

        async def ask(number: int) -> None:
            client = number % CLIENTS
            question = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"remember: mk{number}"}]}
            try:
                answer = await http.post(
                    "/v1/chat/completions", json=question, headers={"authorization": f"Bearer sk-crowd-{client}"}
                )
            except httpx.TransportError as error:
                crowd.wrong.append(f"request {number}: {error!r}")
                return
            crowd.longest = max(crowd.longest, time.monotonic() - began)
            if answer.status_code != 200:
                crowd.wrong += check_error(answer.status_code, dict(answer.headers), answer.content)
                crowd.refused[f"{answer.status_code} {answer.json()['error']['code']}"] += 1
                return
            crowd.served.append(client)
            value = strict_json(answer.text)
            crowd.wrong += check_body(value)
            if value["choices"][0]["message"]["content"] != f"I will remember: mk{number}":
                crowd.wrong.append(f"request {number} was told {answer.text[:200]}")

        await asyncio.gather(*(ask(number) for number in range(size)))
    crowd.seconds = time.monotonic() - began
    return crowd
