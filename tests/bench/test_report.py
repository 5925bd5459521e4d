"""The table and its place in a document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.load import Sample
from tests.bench.report import BEGIN, END, replace_measured, table
from tests.harness.proxy import ROOT


def sample(*, cpu: float | None, late: float = 0.001) -> Sample:
    return Sample(events=2000, seconds=4.0, processor=cpu, late_50=late, late_99=late * 10, first=0.02)


RESULTS = {
    (10, "direct"): [sample(cpu=None, late=0.0005)] * 3,
    (10, "pass"): [sample(cpu=0.2), sample(cpu=0.4), sample(cpu=0.3)],
    (10, "bridge"): [sample(cpu=0.3), sample(cpu=0.4), sample(cpu=0.36)],
}


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_a_paced_table_shows_medians_and_ratios() -> None:
    """Processor time is for 1000 events, delays are in milliseconds, ratios are within rounds, with their spread."""
    heading, _, direct, passing, bridge = cells(table(RESULTS, paced=True))
    assert heading[:4] == ["streams", "way", "CPU s per 1000 events", "÷ pass"]
    assert direct[:6] == ["10", "direct", "–", "–", "0.50", "0.50 (0.50–0.50)"]
    assert passing == ["10", "pass", "0.150", "1", "1.00", "1", "10.0", "1", "20.0"]
    assert bridge[:4] == ["10", "bridge", "0.180", "1.20 (1.00–1.50)"]


def test_a_flood_table_shows_rates() -> None:
    """Where nothing has a due time there are rates instead of delays."""
    heading, _, direct, *_ = cells(table(RESULTS, paced=False))
    assert heading[2] == "events per s"
    assert direct[2:] == ["500", "1.00 (1.00–1.00)", "–", "–"]


def test_every_row_has_every_cell() -> None:
    """A Markdown table is a table only when its rows are equally long."""
    for paced in (True, False):
        assert len({len(row) for row in cells(table(RESULTS, paced=paced))}) == 1


def test_only_the_measured_section_is_replaced(tmp_path: Path) -> None:
    """What people wrote around the marks stays, and a second run replaces the first one's text."""
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nAfter\n", encoding="utf-8")
    replace_measured(document, "new\n")
    replace_measured(document, "newer\n")
    assert document.read_text(encoding="utf-8") == f"# Before\n\n{BEGIN}\n\nnewer\n\n{END}\n\nAfter\n"


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_document_without_the_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    """Where there is no place for the numbers they are not written anywhere."""
    document = tmp_path / "other.md"
    document.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError):
        replace_measured(document, "new")
    assert document.read_text(encoding="utf-8") == text


def test_the_projects_own_document_has_the_marks() -> None:
    """`scripts/bench --write docs/benchmarks.md` finds its place."""
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert 0 < text.find(BEGIN) < text.find(END)
