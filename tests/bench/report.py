"""What the rounds showed, as Markdown, and its place in a document."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Spread, ratio
from tests.bench.load import Sample

BASE = "pass"
"""The way that the others are compared with: mitmproxy without the bridge."""

BEGIN = "<!-- measured: replaced by scripts/bench --write -->"
END = "<!-- end of measured -->"

type Results = Mapping[tuple[int, str], Sequence[Sample]]
"""Streams and way → one sample for each round, in the order of the rounds."""


@dataclass(frozen=True)
class Column:
    """A heading, and the figure under it: its median, or with `against_base` its ratio to that of `BASE`."""

    heading: str
    figure: str
    scale: float = 1.0
    digits: int = 2
    against_base: bool = False


_PACED = (
    Column("CPU s per 1000 events", "cpu", digits=3),
    Column("÷ pass", "cpu", against_base=True),
    Column("delay p50, ms", "late_50", scale=1000),
    Column("÷ pass", "late_50", against_base=True),
    Column("delay p99, ms", "late_99", scale=1000, digits=1),
    Column("÷ pass", "late_99", against_base=True),
    Column("first event, ms", "first", scale=1000, digits=1),
)
_FLOOD = (
    Column("events per s", "rate", digits=0),
    Column("÷ pass", "rate", against_base=True),
    Column("CPU s per 1000 events", "cpu", digits=3),
    Column("÷ pass", "cpu", against_base=True),
)


def table(results: Results, *, paced: bool) -> str:
    """One row for each number of streams and way; a ratio is a median with the least and the most of the rounds."""
    columns = _PACED if paced else _FLOOD
    lines = [_row(["streams", "way", *(column.heading for column in columns)]), "|---" * (len(columns) + 2) + "|"]
    for (streams, way), samples in results.items():
        base = results[streams, BASE]
        lines.append(_row([str(streams), way, *(_cell(column, way, samples, base) for column in columns)]))
    return "\n".join(lines)


def replace_measured(document: Path, text: str) -> None:
    """Put `text` between the two marks of the document. Raises `ValueError` when it does not have them, in order."""
    whole = document.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} needs the lines {BEGIN!r} and {END!r}")
    document.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def _cell(column: Column, way: str, samples: Sequence[Sample], base: Sequence[Sample]) -> str:
    values = [_figure(sample, column.figure) for sample in samples]
    if any(map(math.isnan, values)):
        return "–"
    if not column.against_base:
        return f"{Spread.of(values).median * column.scale:.{column.digits}f}"
    if way == BASE:
        return "1"
    spread = ratio(values, [_figure(sample, column.figure) for sample in base])
    return f"{spread.median:.2f} ({spread.least:.2f}–{spread.most:.2f})"


def _figure(sample: Sample, name: str) -> float:
    """`cpu` seconds per 1000 events (nan without a process), `rate` in events per second, or a field of the sample."""
    match name:
        case "cpu":
            return math.nan if sample.processor is None else sample.processor / sample.events * 1000
        case "rate":
            return sample.events / sample.seconds
        case _:
            return float(getattr(sample, name))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
