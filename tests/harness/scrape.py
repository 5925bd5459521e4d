"""A scrape of the bridge's counters as a mapping, as Prometheus would read it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from qwen_bridge.observe.metrics import PrometheusMetrics


def samples(metrics: PrometheusMetrics | str) -> dict[str, float]:
    """`name{label="value",…}` → value, labels in the order of the alphabet."""
    text = metrics if isinstance(metrics, str) else metrics.exposition()[1].decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found
