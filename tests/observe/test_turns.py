"""One set of facts for header, log and counters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwen_bridge.observe.metrics import PrometheusMetrics
from qwen_bridge.observe.turns import Course, TurnFacts, count
from tests.harness.scrape import samples

FACTS = TurnFacts(
    request_id="req_1",
    route="chat_completions",
    status=200,
    outcome="complete",
    conversation="hit depth=7/9 saved=4321",
    model="qwen3-max",
    listed=True,
    faults=(("qwen_connection_lost", "retry"), ("qwen_parent_refused", "restart_chat")),
    asks=3,
    bytes_up=999,
    duration=4.0,
    first_word=1.5,
    queued=0.5,
    call_lines=("put hermes_json released repairs=param.closer", "put intercepted"),
    asked_again="intercepted",
    calls={("verdict", "released"): 2, ("dialect", "hermes"): 2, ("repair", "param.closer"): 1, ("reason", "cut"): 1},
)


@pytest.mark.parametrize(
    ("words", "course"),
    [
        ("hit depth=7/9", Course("hit", "", 7, 0)),
        ("hit depth=2/9 edited@2 saved=10", Course("hit", "edited", 2, 10)),
        ("hit depth=3/5 broken_off saved=10", Course("hit", "broken_off", 3, 10)),
        ("new", Course("new", "", 0, 0)),
        ("new file=12000", Course("new", "", 0, 0)),
        ("miss reason=unknown_history file=9", Course("miss", "unknown_history", 0, 0)),
        ("miss reason=edited@3", Course("miss", "edited", 0, 0)),
        ("reset reason=parent_refused", Course("reset", "parent_refused", 0, 0)),
        ("undecided", Course("none", "", 0, 0)),
        ("none", Course("none", "", 0, 0)),
        ("newer words", Course("none", "", 0, 0)),
    ],
)
def test_the_headers_words_are_read(words: str, course: Course) -> None:
    """Kind, reason and savings come from the very words that the client gets."""
    assert Course.of(words) == course


def test_a_turn_is_counted() -> None:
    """Every fact has its counter."""
    metrics = PrometheusMetrics()
    count(FACTS, metrics)
    found = samples(metrics)
    expected = {
        'requests_total{outcome="complete",route="chat_completions",status="200"}': 1,
        'turns_total{conversation="hit",reason=""}': 1,
        'turns_by_model_total{model="qwen3-max"}': 1,
        "messages_saved_total": 7,
        "bytes_saved_total": 4321,
        "bytes_up_total": 999,
        "asks_total": 3,
        'faults_total{action="retry",code="qwen_connection_lost"}': 1,
        'faults_total{action="restart_chat",code="qwen_parent_refused"}': 1,
        "client_disconnects_total": 0,
        'tool_calls_total{verdict="released"}': 2,
        'tool_call_dialects_total{dialect="hermes"}': 2,
        'tool_call_repairs_total{repair="param.closer"}': 1,
        'tool_call_reasons_total{reason="cut"}': 1,
        'asked_again_total{cause="intercepted"}': 1,
        "first_word_seconds_sum": 1.5,
        "turn_seconds_sum": 4,
        "queue_wait_seconds_sum": 0.5,
    }
    assert {name: found["qwen_bridge_" + name] for name in expected} == expected


def test_a_request_that_asks_no_model_is_no_turn() -> None:
    """The model list, or a refused request, is a request; it moves no counter of turns."""
    metrics = PrometheusMetrics()
    count(TurnFacts("req_2", "list_models", 200, "answered", duration=0.1), metrics)
    found = samples(metrics)
    assert found['qwen_bridge_requests_total{outcome="answered",route="list_models",status="200"}'] == 1
    assert not [name for name in found if name.startswith("qwen_bridge_turns_total")]
    assert found["qwen_bridge_first_word_seconds_count"] == 0


def test_a_model_that_no_list_names_is_not_shown() -> None:
    """It may be any word of the client's."""
    metrics = PrometheusMetrics()
    count(TurnFacts("r", "chat_completions", 200, "complete", conversation="new", model="my-secret"), metrics)
    assert samples(metrics)['qwen_bridge_turns_by_model_total{model="other"}'] == 1


def test_the_line_says_what_applies() -> None:
    """The log's line leaves out what did not happen."""
    assert FACTS.line["conversation"] == "hit depth=7/9 saved=4321"
    assert FACTS.line["faults"] == "qwen_connection_lost:retry,qwen_parent_refused:restart_chat"
    assert FACTS.line["tool_calls"] == "released=2"
    assert FACTS.line["calls"] == "put hermes_json released repairs=param.closer | put intercepted"
    assert FACTS.line["asked_again"] == "intercepted"
    short = TurnFacts("req_2", "list_models", 200, "answered", duration=0.0).line
    assert set(short) == {"request_id", "route", "conversation", "outcome", "status", "seconds"}


@pytest.mark.parametrize("word", ["hit", "miss"])
def test_an_answer_from_memory_is_told_of(word: str) -> None:
    """Log line and counter say the word of the header."""
    metrics = PrometheusMetrics()
    facts = TurnFacts("req_1", "chat_completions", 200, "complete", conversation="new", cache=word)
    count(facts, metrics)
    assert facts.line["cache"] == word
    assert samples(metrics)[f'qwen_bridge_cache_total{{cache="{word}"}}'] == 1


def test_an_answer_from_memory_is_no_turn_of_qwens() -> None:
    """It is a request, and moves neither the turns by conversation nor the distributions of times."""
    metrics = PrometheusMetrics()
    facts = TurnFacts("req_1", "chat_completions", 200, "complete", conversation="new", duration=9.0, first_word=1.0)
    count(replace(facts, cache="hit", model="qwen3-max", listed=True), metrics)
    found = samples(metrics)
    assert found['qwen_bridge_requests_total{outcome="complete",route="chat_completions",status="200"}'] == 1
    assert not [name for name in found if name.startswith(("qwen_bridge_turns_total", "qwen_bridge_turns_by_model"))]
    assert {found[f"qwen_bridge_{name}_seconds_count"] for name in ("turn", "first_word", "queue_wait")} == {0}
    count(replace(facts, cache="miss"), metrics)
    assert samples(metrics)['qwen_bridge_turns_total{conversation="new",reason=""}'] == 1


def test_who_keeps_no_answers_hears_nothing_of_it() -> None:
    """Without a cache the line has no such word."""
    assert "cache" not in FACTS.line
