from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.events import ReasoningDelta, ResponseEnded, TextDelta
from qwen_bridge.exchange.answer_cache import OVERHEAD, AnswerCache, KeptAnswer, cache_key, weight
from tests.exchange.driving import SCOPE

BODY: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}


def key_of(**changed: Any) -> str | None:
    return cache_key(SCOPE, json.dumps({**BODY, **changed}).encode())


def answer(text: str) -> KeptAnswer:
    return KeptAnswer((TextDelta(text), ResponseEnded("stop")))


# -- the name of a request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "same",
    [
        {"stream": True, "stream_options": {"include_usage": True}},
        {"user": "somebody", "safety_identifier": "x"},
        {"metadata": {"turn": "7"}, "prompt_cache_key": "k", "store": False, "service_tier": "auto"},
    ],
)
def test_fields_beside_the_point_do_not_count(same: dict[str, Any]) -> None:
    """The form of the answer, and ids that clients send along, make no other request."""
    assert key_of(**same) == key_of()


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 0.7},
        {"seed": 1},
        {"max_tokens": 10},
        {"model": "gpt-4"},
        {"messages": [{"role": "user", "content": "Hi "}]},
        {"messages": [{"role": "system", "content": "Be brief."}, *BODY["messages"]]},
        {"reasoning_effort": "high"},
        {"a_field_of_tomorrow": 1},
    ],
)
def test_all_else_counts(other: dict[str, Any]) -> None:
    """Whatever could be meant to change the answer makes another request, known field or not."""
    assert key_of(**other) != key_of()


@pytest.mark.parametrize("field", ["client", "account", "model"])
def test_nobody_else_finds_it(field: str) -> None:
    """Another client, another account and another model of Qwen's have answers of their own."""
    body = json.dumps(BODY).encode()
    assert cache_key(replace(SCOPE, **{field: "another"}), body) != cache_key(SCOPE, body)


def test_the_same_value_is_the_same_request() -> None:
    """White space and the order of keys are no part of it."""
    turned = json.dumps(dict(reversed(BODY.items())), indent=3).encode()
    assert cache_key(SCOPE, turned) == key_of()


def test_what_cannot_be_written_again_has_no_name() -> None:
    """A body nested deeper than JSON is written here is not kept, and is no fault."""
    deep = '{"model": "m", "extra": ' + "[" * 300 + "]" * 300 + "}"
    assert cache_key(SCOPE, deep.encode()) is None


# -- what is held -----------------------------------------------------------------------------------------------------


def test_an_answer_is_found_until_it_is_too_old() -> None:
    """Its time counts from when it came, however often it is asked for."""
    cache = AnswerCache(4, 10_000, ttl=10.0)
    cache.put("a", answer("A"), 100.0)
    assert cache.get("a", 105.0) == cache.get("a", 109.9) == answer("A")
    assert cache.get("a", 110.0) is None
    assert (len(cache), cache.size) == (0, 0)


def test_old_answers_are_let_go_whoever_is_asked_for() -> None:
    """What is too old leaves the memory with the next request, not with the next one for it."""
    cache = AnswerCache(4, 10_000, ttl=10.0)
    cache.put("a", answer("A"), 100.0)
    assert cache.get("b", 111.0) is None
    assert cache.size == 0


def test_the_one_not_asked_for_longest_leaves_first() -> None:
    """Beyond `entries` the least recently used goes."""
    cache = AnswerCache(2, 10_000, ttl=10.0)
    cache.put("a", answer("A"), 0.0)
    cache.put("b", answer("B"), 0.0)
    cache.get("a", 1.0)
    cache.put("c", answer("C"), 1.0)
    assert [cache.get(key, 2.0) for key in "abc"] == [answer("A"), None, answer("C")]


def test_bytes_are_bounded_too() -> None:
    """Answers leave when a new one needs their room, and one larger than all the room is not kept."""
    cache = AnswerCache(100, 2 * answer("x" * 1000).size, ttl=10.0)
    for key in "abc":
        cache.put(key, answer("x" * 1000), 0.0)
    assert [cache.get(key, 1.0) is not None for key in "abc"] == [False, True, True]
    cache.put("d", answer("x" * 10_000), 1.0)
    assert [cache.get(key, 1.0) is not None for key in "bcd"] == [True, True, False]


def test_wide_letters_weigh_what_they_take() -> None:
    """Four bytes a letter are counted as four, and thoughts like words."""
    assert weight(TextDelta("\U0001f642" * 100)) - weight(TextDelta("")) >= 400
    assert weight(ReasoningDelta("abc")) == weight(TextDelta("abc"))


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 900), st.integers(0, 4), st.booleans()), max_size=40)
)
def test_it_never_holds_more_than_it_may(steps: list[tuple[str, int, int, bool]]) -> None:
    """Whatever comes in whatever order: both bounds hold, and the bytes are those of what is there."""
    cache, now = AnswerCache(3, 3 * OVERHEAD + 1200, ttl=5.0), 0.0
    for key, length, passed, asks in steps:
        now += passed
        if asks:
            cache.get(key, now)
        else:
            cache.put(key, answer("x" * length), now)
        assert len(cache) <= 3
        assert cache.size <= 3 * OVERHEAD + 1200
        found = [kept for name in "abcdef" if (kept := cache.get(name, now)) is not None]
        assert (len(found), sum(kept.size for kept in found)) == (len(cache), cache.size)
