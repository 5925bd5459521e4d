"""The bench from its command line, and once through real proxies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.bench import main, take, task


def test_a_paced_task_outlasts_its_ramp() -> None:
    """The first stream still speaks for the wanted time when the last one has begun."""
    for streams in (1, 10, 100):
        each = task(streams, 3.0, 40.0)
        assert each.pace is not None
        assert each.pieces / each.pace - streams * each.ramp >= 3.0


def test_a_flood_is_a_number_of_events() -> None:
    """Few streams get long answers, many streams short ones, and none a trifle."""
    assert [task(streams, 3.0, None).pieces for streams in (1, 10, 100)] == [20_000, 2_000, 300]


@pytest.mark.parametrize("arguments", [["--streams", "0"], ["--streams", "many"], ["--flood", "--hotpath"]])
def test_nonsense_is_refused(arguments: list[str]) -> None:
    """What cannot be measured is refused before anything is started."""
    with pytest.raises(SystemExit):
        main(arguments)


@pytest.mark.e2e
@pytest.mark.slow
def test_every_way_is_measured_in_every_round(tmp_path: Path) -> None:
    """Straight, through bare mitmproxy and through the bridge, the streams come whole; proxies have their costs."""
    results = take([task(2, 0.2, 40.0)], 1, tmp_path, tls=True)
    assert {way: len(samples) for (_, way), samples in results.items()} == {"direct": 1, "pass": 1, "bridge": 1}
    assert [results[2, way][0].processor is None for way in ("direct", "pass", "bridge")] == [True, False, False]
