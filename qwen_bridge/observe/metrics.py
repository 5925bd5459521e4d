"""Counters for Prometheus: every name, its labels and its sentence in one table, every value of a label bounded.

The registry is our own: mitmproxy, or another addon in the same process, may fill the global one with theirs. What is
counted comes from `turns.count` at the end of a turn, from the store and the queue when something happens there, and
from `level` when somebody looks. Nothing is counted per event of a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

PREFIX = "qwen_bridge_"

MOST_VALUES = 64
"""Values that one label of one metric may take; what comes after them is `other`."""

OTHER = "other"

_VALUE = re.compile(r"[A-Za-z0-9_.:/+-]{0,64}")
"""A label's value is a code, an id or a number. Anything else could be somebody's words."""

_WAITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_TURNS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its name without prefix and `_total`, what it is, its sentence, its labels, its buckets."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _WAITS


TABLE = (
    Row("requests", "counter", "Requests answered, by what was asked for.", ("route", "status", "outcome")),
    Row("turns", "counter", "Turns by where the conversation went.", ("conversation", "reason")),
    Row("turns_by_model", "counter", "Turns by Qwen's model; one that no list names is `other`.", ("model",)),
    Row("cache", "counter", "Turns whose answer came from memory (`hit`), or could have (`miss`).", ("cache",)),
    Row("messages_saved", "counter", "Messages that a chat held already and that were not sent again."),
    Row("bytes_saved", "counter", "Bytes of text that a chat held already and that were not sent again."),
    Row("bytes_up", "counter", "Bytes of messages sent to Qwen, every attempt counted."),
    Row("bytes_uploaded", "counter", "Bytes of text uploaded to Qwen as files."),
    Row("asks", "counter", "Messages put to Qwen, every attempt counted."),
    Row("faults", "counter", "Faults, and what was done about each.", ("code", "action")),
    Row("client_disconnects", "counter", "Clients that left before the end of their answer."),
    Row("tool_calls", "counter", "Tool calls in answers: released to the client, or withheld.", ("verdict",)),
    Row("tool_call_dialects", "counter", "Tool calls by the form the model wrote them in.", ("dialect",)),
    Row("tool_call_repairs", "counter", "Repairs made to tool calls.", ("repair",)),
    Row("asked_again", "counter", "Answers asked for once more by the bridge, for the sake of a call.", ("cause",)),
    Row("tool_call_reasons", "counter", "Why tool calls were withheld.", ("reason",)),
    Row("first_word_seconds", "histogram", "From the request to the first word of its answer.", buckets=_TURNS),
    Row("turn_seconds", "histogram", "From the request to the end of its answer.", buckets=_TURNS),
    Row("queue_wait_seconds", "histogram", "Time that a request waited for its turn on the account."),
    Row("active_turns", "gauge", "Requests that are being answered."),
    Row("queue_length", "gauge", "Requests that wait for their turn on an account."),
    Row("account_ready", "gauge", "Whether a request would be let through to the account now.", ("account",)),
    Row("store_up", "gauge", "Whether the conversation store answered when it was last asked."),
    Row("store_failures", "counter", "Times that the conversation store went away."),
    Row("store_anchors", "gauge", "Answers that the conversation store remembers."),
    Row("store_chats", "gauge", "Chats that the conversation store remembers."),
    Row("sweeps", "counter", "Sweeps of the conversation store."),
    Row("swept_anchors", "counter", "Answers that sweeps have forgotten."),
    Row("build_info", "gauge", "Always 1; the version is the label.", ("version",)),
)


class PrometheusMetrics:
    """`ports.Metrics` over `TABLE`, in a registry of its own. Raises KeyError for a name that is not in the table."""

    def __init__(self, version: str = "") -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = {row.name: self._made(row) for row in TABLE}
        self._values: dict[tuple[str, str], set[str]] = {}
        for row in TABLE:
            if row.kind == "counter" and not row.labels:
                self._metrics[row.name].inc(0)
        self.level("store_up", 1)
        self.level("build_info", 1, version=version)

    def count(self, name: str, amount: int = 1, /, **labels: str) -> None:
        self._child(name, labels).inc(amount)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        self._child(name, labels).observe(value)

    def level(self, name: str, value: float, /, **labels: str) -> None:
        self._child(name, labels).set(value)

    def exposition(self, accept: str = "") -> tuple[str, bytes]:
        """Everything as text: its content type and its bytes, OpenMetrics for whom `accept` prefers it."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self)

    def collect(self) -> Iterable[Metric]:
        """What a registry gives an encoder, without the `_created` series: twice the size, and nobody asked."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def _made(self, row: Row) -> Any:
        names = (PREFIX + row.name, row.help, row.labels)
        match row.kind:
            case "counter":
                return Counter(*names, registry=self._registry)
            case "gauge":
                return Gauge(*names, registry=self._registry)
            case "histogram":
                return Histogram(*names, registry=self._registry, buckets=row.buckets)

    def _child(self, name: str, labels: Mapping[str, str]) -> Any:
        metric = self._metrics[name]
        return (
            metric.labels(**{label: self._bounded(name, label, labels[label]) for label in labels})
            if labels
            else metric
        )

    def _bounded(self, name: str, label: str, value: str) -> str:
        """The value, or `other`: a label that could take any value would grow without end, and might quote a user."""
        known = self._values.setdefault((name, label), set())
        if value not in known:
            if len(known) >= MOST_VALUES or not _VALUE.fullmatch(value):
                return OTHER
            known.add(value)
        return value
