"""Where the bridge's own time goes: processor time per event of each step from Qwen's bytes to the client's.

Every step is given the same frames, one at a time as mitmproxy brings them, and does all that the steps before it do.
Beside them stands what no bridge can do without: decoding each frame's JSON once. No socket and no mitmproxy takes
part; `bench.py` measures those.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from qwen_bridge.exchange.effects import Data
from qwen_bridge.qwen.decoder import QwenDecoder
from qwen_bridge.simulator.frames import Opening, render
from qwen_bridge.simulator.plan import Plan
from qwen_bridge.sse.decoder import SSEDecoder
from qwen_bridge.stage import Pipeline
from qwen_bridge.surfaces.chat_completions.stream import StreamEncoder
from tests.exchange.driving import EVENT_STREAM, Driver, asking

PIECE = "sixteen letters "
ROUNDS = 15
EVENTS = 2000

type Step = Callable[[bytes], object]


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time per event: the best of all rounds, since everything else only adds."""

    step: str
    microseconds: float


def answer_frames(events: int) -> list[bytes]:
    """`response.created` and `events` deltas with running usage, as the simulator writes them after the captures."""
    ids = ("8fc623f2-b790-4a73-a310-0c02ec766eb8", "a45abf5c-0fbd-4e18-891e-83f020da7aee")
    opening = Opening(chat_id=ids[0], user_id=ids[1], response_id=ids[1], prompt_tokens=400, timestamp=1_780_468_951)
    plan = Plan(text=PIECE * events, chunk=len(PIECE))
    return [frame.data for frame in render(plan, opening)][: events + 1]


def steps() -> dict[str, Callable[[], Step]]:
    """Each step by name, made anew for every round; the later ones include the earlier ones."""
    return {
        "nothing (the loop itself)": lambda: len,
        "orjson.loads of the frame, no more": lambda: _only_json,
        "SSEDecoder": lambda: SSEDecoder(keep_last=True).feed,
        "… + QwenDecoder": lambda: Pipeline[bytes, Any](SSEDecoder(keep_last=True), QwenDecoder()).feed,
        "… + StreamEncoder": _encoded,
        "Exchange.feed, all of it": lambda: _exchange().feed,
    }


def measure(events: int = EVENTS, rounds: int = ROUNDS) -> list[Cost]:
    """The cost of every step, the steps taking turns."""
    frames = answer_frames(events)
    best = dict.fromkeys(steps(), float("inf"))
    for _ in range(rounds):
        for name, make in steps().items():
            best[name] = min(best[name], _once(make(), frames))
    return [Cost(name, seconds / events * 1e6) for name, seconds in best.items()]


def delivered(frames: Sequence[bytes]) -> bytes:
    """What an exchange tells the client for `frames`."""
    exchange = _exchange()
    effects = (effect for frame in frames for effect in exchange.feed(frame))
    return b"".join(effect.chunk for effect in effects if isinstance(effect, Data))


def table(costs: Sequence[Cost]) -> str:
    """A Markdown table."""
    rows = [f"| {cost.step} | {cost.microseconds:.2f} |" for cost in costs]
    return "\n".join(["| step | µs per event |", "|---|---|", *rows])


def _once(step: Step, frames: Sequence[bytes]) -> float:
    """Seconds of processor time for the deltas; the first frame opens the answer and is not counted."""
    step(frames[0])
    deltas = frames[1:]
    gc.collect()
    begun = time.process_time()
    for frame in deltas:
        step(frame)
    return time.process_time() - begun


def _only_json(frame: bytes) -> object:
    return orjson.loads(frame[6:])


def _encoded() -> Step:
    encoder = StreamEncoder(Driver(asking()).exchange.head, include_usage=False)
    return Pipeline[bytes, bytes](SSEDecoder(keep_last=True), QwenDecoder(), encoder).feed


def _exchange() -> Any:
    driver = Driver(asking())
    driver.ask()
    driver.exchange.responded(200, EVENT_STREAM)
    return driver.exchange
