"""What befalls bridges, stores and Qwen while clients talk: a deck of blows, dealt evenly over the run, by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from qwen_bridge.bridge.conversations import DATABASE
from tests.chaos.qwen import ACCOUNTS, THROTTLES, ChaosQwen
from tests.chaos.record import Record
from tests.chaos.service import Service
from tests.harness.redis_server import RedisServer


@dataclass
class Scene:
    """Everything that can be struck. `shared` is the bridge on Redis, `alone` the one on SQLite."""

    qwen: ChaosQwen
    alone: Service
    shared: Service
    redis: RedisServer | None
    chance: random.Random
    record: Record

    async def blow(self, name: str) -> None:
        """One blow, from beginning to end."""
        self.record.counts[f"blow: {name}"] += 1
        await BLOWS[name](self)

    def deck(self) -> list[str]:
        """Every blow once, in some order."""
        names = [name for name in BLOWS if self.redis is not None or "Redis" not in name]
        self.chance.shuffle(names)
        return names


async def _restart(service: Service, end: Callable[[Service], Awaitable[None]], chance: random.Random) -> None:
    await end(service)
    await asyncio.sleep(chance.uniform(0.0, 0.5))
    await service.start()


async def _redis_stands_still(scene: Scene) -> None:
    assert scene.redis is not None
    scene.redis.pause()
    try:
        await asyncio.sleep(scene.chance.uniform(0.5, 3.0))
    finally:
        scene.redis.resume()


async def _redis_dies(scene: Scene) -> None:
    assert scene.redis is not None
    scene.redis.kill()
    try:
        await asyncio.sleep(scene.chance.uniform(0.5, 3.0))
    finally:
        await asyncio.to_thread(scene.redis.start)


async def _file_is_locked(scene: Scene) -> None:
    """Another program writes into the file and takes its time."""
    address = f"{(scene.alone.folder / DATABASE).as_uri()}?mode=rw"
    # Busy or not yet there: the bridge is faster, or is just starting.
    with contextlib.suppress(sqlite3.OperationalError):
        held = sqlite3.connect(address, uri=True, isolation_level=None)
        try:
            held.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(scene.chance.uniform(0.5, 3.0))
            held.execute("ROLLBACK")
        finally:
            held.close()


async def _qwen_is_down(scene: Scene) -> None:
    await scene.qwen.stop_listening(drop=scene.chance.random() < 0.5)
    try:
        await asyncio.sleep(scene.chance.uniform(0.3, 1.5))
    finally:
        await scene.qwen.listen()


async def _throttled(scene: Scene) -> None:
    token = scene.chance.choice(list(ACCOUNTS))
    scene.qwen.throttle(token, scene.chance.choice(THROTTLES))
    try:
        await asyncio.sleep(scene.chance.uniform(1.0, 4.0))
    finally:
        scene.qwen.throttle(token, None)


async def _chats_deleted(scene: Scene) -> None:
    scene.record.counts["chats deleted in the browser"] += scene.qwen.delete_chats(20)


BLOWS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "kill -9, bridge on SQLite": lambda scene: _restart(scene.alone, Service.kill, scene.chance),
    "kill -9, bridge on Redis": lambda scene: _restart(scene.shared, Service.kill, scene.chance),
    "SIGTERM, bridge on SQLite": lambda scene: _restart(scene.alone, Service.terminate, scene.chance),
    "SIGTERM, bridge on Redis": lambda scene: _restart(scene.shared, Service.terminate, scene.chance),
    "Redis stands still": _redis_stands_still,
    "Redis dies": _redis_dies,
    "the SQLite file is locked": _file_is_locked,
    "Qwen is down": _qwen_is_down,
    "an account is throttled": _throttled,
    "chats are deleted": _chats_deleted,
}


async def rage(scene: Scene, seconds: float, every: float) -> None:
    """Blow after blow for so many seconds, and each of them once at least; the last is over when this returns."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    dealt, deck = 0, scene.deck()
    while dealt == 0 or loop.time() + every < end:
        await asyncio.sleep(every * scene.chance.uniform(0.5, 1.5))
        await scene.blow(deck.pop())
        if not deck:
            dealt, deck = dealt + 1, scene.deck()
    await asyncio.sleep(max(0.0, end - loop.time()))
