"""`Pipeline`, and the laws themselves: each holds a good stage, and catches one that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.stage import Pipeline, Stage
from tests.stage_laws import (
    check_bounded,
    check_close,
    check_cut_free,
    check_eager,
    check_ending,
    check_linear,
    check_lossless,
    held,
    run,
)

END = "\n."


class Words:
    """Text in any pieces to words, each with the blank behind it; then an end mark. A stage that keeps every law."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.closed = False

    def feed(self, item: str, /) -> Sequence[str]:
        first, *rest = item.split(" ")
        self.open.append(first)
        ready = []
        for piece in rest:
            ready.append("".join(self.open) + " ")
            self.open = [piece]
        return ready

    def close(self) -> Sequence[str]:
        if self.closed:
            return []
        self.closed = True
        return [*(["".join(self.open)] if self.open else []), END]


class Upper:
    """Each item in capitals, at once."""

    def feed(self, item: str, /) -> Sequence[str]:
        return [item.upper()]

    def close(self) -> Sequence[str]:
        return []


class Count:
    """Holds a number until the end."""

    def __init__(self) -> None:
        self.seen = 0

    def feed(self, _: str, /) -> Sequence[str]:
        self.seen += 1
        return []

    def close(self) -> Sequence[str]:
        return [str(self.seen)]


class Uncut(Words):
    """Breaks cut-free: takes each piece for a word of its own."""

    def feed(self, item: str, /) -> Sequence[str]:
        return [word + " " for word in item.split()]


class Repeating(Words):
    """Breaks total close: says its end again and again."""

    def close(self) -> Sequence[str]:
        return [END]


class Late(Words):
    """Breaks drained: what it held comes behind the end mark."""

    def close(self) -> Sequence[str]:
        return super().close()[::-1]


class Lossy(Words):
    """Breaks lossless: forgets the last word."""

    def close(self) -> Sequence[str]:
        return super().close()[1:]


class Rescanning(Words):
    """Breaks linear: looks at all it has seen with each piece."""

    def feed(self, item: str, /) -> Sequence[str]:
        self.open.append(item)
        for piece in self.open:
            if not piece:
                break
        return []


class Lazy(Words):
    """Breaks eager: works only when somebody looks."""

    def feed(self, item: str, /) -> Iterator[str]:  # type: ignore[override]  # the very fault it stands for
        yield from super().feed(item)


class Changing(Words):
    """Breaks eager: hands out the list it goes on filling."""

    def feed(self, item: str, /) -> Sequence[str]:
        self.open.append(item)
        return self.open


def same(item: str) -> str:
    return item


def without_end(item: str) -> str:
    return "" if item == END else item


def is_end(item: str) -> bool:
    return item == END


@given(st.text(alphabet="ab ", max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_a_good_stage_keeps_every_law(text: str, positions: list[int]) -> None:
    """A stage that keeps the laws passes every check under any cut."""
    edges = [0, *sorted(positions), len(text)]
    recut = [text[start:end] for start, end in pairwise(edges)]
    check_cut_free(Words, [text], recut)
    check_close(Words, recut)
    check_ending(Words, recut, is_end)
    check_bounded(Words, recut, 2 * len(text) + len(recut) + 1)
    check_lossless(Words, recut, same, without_end)
    check_eager(Words, recut)


def test_a_good_stage_is_linear() -> None:
    """Work that grows with the input passes the check for linearity."""
    check_linear(Words, lambda size: ["word "] * size)


@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (lambda make: check_cut_free(make, ["ab cd "], ["a", "b cd "]), Uncut),
        (lambda make: check_close(make, ["a b"]), Repeating),
        (lambda make: check_ending(make, ["a b"], is_end), Late),
        (lambda make: check_lossless(make, ["a b"], same, without_end), Lossy),
        (lambda make: check_bounded(make, ["a"] * 100, 99), Words),
        (lambda make: check_linear(make, lambda size: ["a"] * size), Rescanning),
        (lambda make: check_eager(make, ["a b"]), Lazy),
        (lambda make: check_eager(make, ["a", "b"]), Changing),
    ],
)
def test_a_broken_stage_is_caught(
    check: Callable[[Callable[[], Stage[str, str]]], None], broken: Callable[[], Stage[str, str]]
) -> None:
    """Each check fails for a stage that breaks its law."""
    with pytest.raises(AssertionError):
        check(broken)


def test_a_pipeline_feeds_what_one_stage_gives_to_the_next() -> None:
    """Several items from one stage reach the next one each, in order."""
    pipeline: Pipeline[str, str] = Pipeline(Words(), Upper())
    assert list(pipeline.feed("a b c")) == ["A ", "B "]


def test_a_pipeline_closes_front_to_back() -> None:
    """A stage is closed after it took what its predecessor still held."""
    assert run(lambda: Pipeline(Words(), Count()), ["a b"]) == ["3"]


def test_a_pipeline_is_a_stage() -> None:
    """A pipeline of stages that keep the laws keeps them too, and an inner pipeline changes nothing."""

    def make() -> Pipeline[str, str]:
        return Pipeline(Pipeline(Words()), Upper())

    check_cut_free(make, ["ab cd"], ["a", "", "b c", "d"])
    check_close(make, ["a", "b c"])
    check_eager(make, ["a", "b c"])


def test_an_empty_pipeline_passes_everything_on() -> None:
    """Without stages, what goes in comes out."""
    assert run(Pipeline, ["a", "b"]) == ["a", "b"]


def test_held_weighs_slots_attributes_and_containers() -> None:
    """The weight of a stage counts text, bytes and elements wherever they hang."""
    stage = Words()
    stage.feed("abc")
    assert held(stage) == len(["abc"]) + len("abc")
    assert held({"key": [b"12", bytearray(b"3")]}) == 1 + 3 + 2 + 2 + 1
