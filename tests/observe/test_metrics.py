"""Counters: one table, labels that cannot grow, a registry of our own."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from qwen_bridge.observe.metrics import MOST_VALUES, PREFIX, TABLE, PrometheusMetrics
from tests.harness.scrape import samples


def test_every_row_can_be_counted_and_is_shown() -> None:
    """Each metric of the table appears in the exposition, with its sentence, once it was touched."""
    metrics = PrometheusMetrics("1.2.3")
    for row in TABLE:
        labels = dict.fromkeys(row.labels, "x")
        match row.kind:
            case "counter":
                metrics.count(row.name, 2, **labels)
            case "gauge":
                metrics.level(row.name, 2, **labels)
            case "histogram":
                metrics.observe(row.name, 2, **labels)
    content_type, text = metrics.exposition()
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert content_type.startswith("text/plain")
    for row in TABLE:
        assert families[PREFIX + row.name].documentation == row.help


def test_counters_without_labels_start_at_nought() -> None:
    """A counter that is absent until its first event cannot be told from one that nobody scrapes."""
    assert samples(PrometheusMetrics())["qwen_bridge_client_disconnects_total"] == 0


def test_counts_levels_and_distributions() -> None:
    """Counters add, levels replace, distributions keep number and sum."""
    metrics = PrometheusMetrics()
    metrics.count("asks")
    metrics.count("asks", 2)
    metrics.level("queue_length", 5)
    metrics.level("queue_length", 3)
    metrics.observe("turn_seconds", 1.5)
    found = samples(metrics)
    assert found["qwen_bridge_asks_total"] == 3
    assert found["qwen_bridge_queue_length"] == 3
    assert found["qwen_bridge_turn_seconds_count"] == 1
    assert found["qwen_bridge_turn_seconds_sum"] == 1.5
    assert found['qwen_bridge_turn_seconds_bucket{le="2.5"}'] == 1


def test_a_label_cannot_grow_without_end() -> None:
    """After so many values of one label the rest are `other`, and known ones are still told apart."""
    metrics = PrometheusMetrics()
    for number in range(MOST_VALUES + 10):
        metrics.count("turns_by_model", model=f"m{number}")
    metrics.count("turns_by_model", model="m0")
    found = {name: value for name, value in samples(metrics).items() if "turns_by_model" in name}
    assert len(found) == MOST_VALUES + 1
    assert found['qwen_bridge_turns_by_model_total{model="other"}'] == 10
    assert found['qwen_bridge_turns_by_model_total{model="m0"}'] == 2


@pytest.mark.parametrize("words", ["Dear Qwen, my password is", 'a"} 1\nevil_metric 1', "x" * 65, "密码"])
def test_no_words_become_a_label(words: str) -> None:
    """A value that is no code is `other`: labels must not quote anybody."""
    metrics = PrometheusMetrics()
    metrics.count("faults", code=words, action="retry")
    assert samples(metrics)['qwen_bridge_faults_total{action="retry",code="other"}'] == 1
    assert "evil" not in metrics.exposition()[1].decode()


def test_the_global_registry_is_left_alone() -> None:
    """Two bridges in one process, or another addon's counters, do not meet."""
    before = len(list(REGISTRY.collect()))
    PrometheusMetrics().count("asks")
    PrometheusMetrics().count("asks")
    assert len(list(REGISTRY.collect())) == before


def test_openmetrics_for_whom_asks_for_it() -> None:
    """A scraper that prefers OpenMetrics gets it, end mark and all."""
    content_type, text = PrometheusMetrics().exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    assert b"_created" not in text


def test_a_name_that_is_not_in_the_table_is_a_bug() -> None:
    """It raises, rather than count into nowhere."""
    with pytest.raises(KeyError):
        PrometheusMetrics().count("nothing")
