"""`scripts/bench`: what the bridge costs, beside mitmproxy without it.

Each round takes every number of streams and, for each, the three ways of `lanes` in random order. So the ways share
what the machine was doing meanwhile, and a ratio is taken within a round. Nothing is pinned to a core.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import hotpath
from tests.bench.lanes import BenchError, Lane, Task, Upstream, measure, running
from tests.bench.load import Sample
from tests.bench.processor import machine
from tests.bench.report import replace_measured, table

RAMP = 0.025
"""Seconds between the beginnings of two streams: a proxy needs many milliseconds to open one (two handshakes, a chat),
and a queue of openings would be all that is seen."""

ATTEMPTS = 3

FLOOD_EVENTS = 20_000
FLOOD_LEAST = 300


def task(streams: int, seconds: float, pace: float | None) -> Task:
    """What `streams` streams are given, so that all of them run side by side for about `seconds`.

    A flood has no time of its own: it is a number of events, and all begin at once.
    """
    if pace is None:
        return Task(streams, max(FLOOD_EVENTS // streams, FLOOD_LEAST), None, 0.0)
    return Task(streams, round((seconds + streams * RAMP) * pace) + 1, pace, RAMP)


def take(tasks: Sequence[Task], rounds: int, folder: Path, *, tls: bool) -> dict[tuple[int, str], list[Sample]]:
    """All rounds. Raises `BenchError`."""
    order = random.Random()
    with running(folder, tls=tls) as (upstream, lanes):
        results: dict[tuple[int, str], list[Sample]] = {
            (each.streams, lane.name): [] for each in tasks for lane in lanes
        }
        for lane in lanes:  # once uncounted: imports, caches, the list of models
            measure(lane, upstream, task(2, 0.5, 40.0))
        for number in range(rounds):
            for each in tasks:
                for lane in order.sample(lanes, len(lanes)):
                    _say(f"round {number + 1} of {rounds}, streams {each.streams}: {lane.name}")
                    results[each.streams, lane.name].append(_patiently(lane, upstream, each))
    return results


def _patiently(lane: Lane, upstream: Upstream, what: Task) -> Sample:
    """`measure`, and again when a busy machine has spoiled it; the third failure is one."""
    for _ in range(ATTEMPTS - 1):
        try:
            return measure(lane, upstream, what)
        except BenchError as error:
            _say(f"once more: {error}")
    return measure(lane, upstream, what)


def report(chosen: argparse.Namespace) -> str:
    """Take what was chosen; the text to show."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    if chosen.hotpath:
        return f"{when}.\n\n{hotpath.table(hotpath.measure())}"
    pace = None if chosen.flood else chosen.pace
    tasks = [task(streams, chosen.seconds, pace) for streams in chosen.streams]
    with tempfile.TemporaryDirectory(prefix="qwen-bench-") as folder:
        results = take(tasks, chosen.rounds, Path(folder), tls=not chosen.plain)
    speed = f"{pace:g} events per second and stream" if pace else "as fast as possible"
    leg = "plain HTTP" if chosen.plain else "TLS"
    how = f"{speed}, {leg} to the upstream, {chosen.rounds} rounds."
    return f"{when}; {how}\n\n{table(results, paced=pace is not None)}"


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parser().parse_args(arguments)
    try:
        text = report(chosen)
    except BenchError as error:
        sys.exit(f"scripts/bench: {error}")
    print(text)
    if chosen.write is not None:
        replace_measured(chosen.write, text)


def parser() -> argparse.ArgumentParser:
    """The command line of `scripts/bench`; the guides are held to it."""
    options = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--streams", type=_counts, default=[1, 10, 100], metavar="N,N,…", help="default: 1,10,100")
    options.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    options.add_argument("--seconds", type=float, default=3.0, metavar="S", help="all streams at once; default: 3")
    options.add_argument("--pace", type=float, default=40.0, metavar="E", help="events per second; default: 40")
    options.add_argument("--plain", action="store_true", help="no TLS between proxy and upstream")
    kind = options.add_mutually_exclusive_group()
    kind.add_argument("--flood", action="store_true", help="as fast as possible instead of paced")
    kind.add_argument("--hotpath", action="store_true", help="the bridge's own steps alone, without a proxy")
    options.add_argument(
        "--write", type=Path, metavar="FILE", help="also replace the measured section of this document"
    )
    return options


def _counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if min(counts) < 1:
        raise ValueError(text)
    return counts


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
