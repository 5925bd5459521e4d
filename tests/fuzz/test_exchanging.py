"""Random bytes of clients and of Qwen without a network between: most cases of a run, as they are the cheapest."""

from __future__ import annotations

import logging
import random

import pytest

from tests.fuzz import exchanging
from tests.fuzz.answers import answer
from tests.fuzz.requests import body
from tests.fuzz.shares import CASES


@pytest.mark.timeout(7200)
def test_whatever_is_sent_the_client_gets_something_legal(caplog: pytest.LogCaptureFixture) -> None:
    """No exception, no endless attempts, no illegal byte."""
    caplog.set_level(logging.ERROR)
    wrong: list[str] = []
    for seed in range(CASES["exchange"]):
        try:
            wrong += [f"case {seed}: {problem}" for problem in exchanging.one(seed)]
        except Exception as error:
            wrong.append(f"case {seed}: {error!r}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:20])
    assert [record.getMessage() for record in caplog.records] == []


def test_a_seed_is_a_case() -> None:
    """The same seed gives the same bytes, so that a number in a report is enough to see it again."""
    assert [body(random.Random(seed)) for seed in range(50)] == [body(random.Random(seed)) for seed in range(50)]
    assert [answer(random.Random(seed)) for seed in range(50)] == [answer(random.Random(seed)) for seed in range(50)]


def test_good_bytes_are_among_them() -> None:
    """Enough cases get as far as an answer: a generator of nothing but refusals would show nothing."""
    seen = [exchanging.outcome(seed) for seed in range(300)]
    assert seen.count("answer") > 60
    assert seen.count("refused") > 60
    assert seen.count("broken off") > 5
