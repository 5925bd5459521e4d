"""The laws of `qwen_bridge.stage`, as checks that any stage can be put to.

Each check feeds real stages made by `make` and asserts; none of them looks at a clock. *Linear* counts executed lines
of Python instead: that shows rescans and growing loops, and says nothing about copies made in C.

    cut-free   `check_cut_free`     total close   `check_close`     drained    `check_ending`
    bounded    `check_bounded`      lossless      `check_lossless`  linear     `check_linear`
    no exception: every check feeds without a net   ·   eager        `check_eager`
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import pairwise
from typing import Any

from qwen_bridge.events import ReasoningDelta, ResponseEnded, ResponseFailed, StreamEvent, TextDelta
from qwen_bridge.stage import Stage

type Make[In, Out] = Callable[[], Stage[In, Out]]

_MOST_PREFIXES = 24
_TOOL = 4  # an id of sys.monitoring that neither debuggers, coverage nor profilers claim


def run[In, Out](make: Make[In, Out], items: Iterable[In]) -> list[Out]:
    """All that comes out of a fresh stage fed with `items` and closed."""
    stage = make()
    ready = [out for item in items for out in stage.feed(item)]
    ready.extend(stage.close())
    return ready


def cuts(data: bytes, *positions: int) -> list[bytes]:
    """`data` cut at the positions, in any order, given once or often."""
    edges = [0, *sorted(min(max(position, 0), len(data)) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def single_bytes(data: bytes) -> list[bytes]:
    """`data` byte by byte."""
    return [data[position : position + 1] for position in range(len(data))]


def merged(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """The events with neighbouring deltas of one kind joined, and errors made comparable by kind and message."""
    joined: list[StreamEvent] = []
    for event in events:
        match event, joined[-1] if joined else None:
            case TextDelta(text), TextDelta(before):
                joined[-1] = TextDelta(before + text)
            case ReasoningDelta(text), ReasoningDelta(before):
                joined[-1] = ReasoningDelta(before + text)
            case _:
                joined.append(event)
    return joined


def comparable(events: Iterable[StreamEvent]) -> list[object]:
    """`merged`, with each failure as (class, message): two exceptions are never equal."""
    return [
        (type(event.error), event.error.message) if isinstance(event, ResponseFailed) else event
        for event in merged(events)
    ]


def is_terminal(event: object) -> bool:
    """Whether a `StreamEvent` must be the last."""
    return isinstance(event, ResponseEnded | ResponseFailed)


def check_cut_free[In, Out](
    make: Make[In, Out],
    whole: Sequence[In],
    recut: Sequence[In],
    view: Callable[[Sequence[Out]], object] = list,
) -> None:
    """Two cuts of the same input give the same output, seen through `view`."""
    assert view(run(make, recut)) == view(run(make, whole))


def check_close[In, Out](make: Make[In, Out], items: Sequence[In]) -> None:
    """`close` may come after any item, and a second `close` returns nothing."""
    step = max(1, len(items) // _MOST_PREFIXES)
    for length in [*range(0, len(items), step), len(items)]:
        stage = make()
        for item in items[:length]:
            stage.feed(item)
        stage.close()
        assert list(stage.close()) == [], f"a second close after {length} items returned something"


def check_ending[In, Out](
    make: Make[In, Out], items: Sequence[In], is_end: Callable[[Out], bool] = is_terminal
) -> None:
    """Exactly one terminal event comes, as the very last: nothing is held back behind it."""
    ready = run(make, items)
    ends = [position for position, out in enumerate(ready) if is_end(out)]
    assert ends == [len(ready) - 1], f"terminal events at {ends} of {len(ready)}"


def check_bounded[In, Out](make: Make[In, Out], items: Iterable[In], limit: int) -> None:
    """After each item the stage holds at most `limit` characters, bytes and elements."""
    stage = make()
    for position, item in enumerate(items):
        stage.feed(item)
        weight = held(stage)
        assert weight <= limit, f"{weight} held after item {position}, more than {limit}"


def check_lossless[In, Out](
    make: Make[In, Out], items: Sequence[In], before: Callable[[In], str], after: Callable[[Out], str]
) -> None:
    """The text that went in is the text that comes out."""
    assert "".join(after(out) for out in run(make, items)) == "".join(before(item) for item in items)


def check_eager[In, Out](make: Make[In, Out], items: Iterable[In]) -> None:
    """What a call returned is a finished sequence, and later calls do not change it."""
    stage = make()
    returned: list[tuple[Sequence[Out], list[Out]]] = []
    for call in [*(lambda item=item: stage.feed(item) for item in items), stage.close]:
        ready = call()
        assert isinstance(ready, Sequence), f"{type(ready).__name__} is not a finished sequence"
        returned.append((ready, list(ready)))
    assert all(list(ready) == then for ready, then in returned), "a returned list changed later"


def check_linear[In, Out](make: Make[In, Out], items_of: Callable[[int], Sequence[In]], size: int = 64) -> None:
    """Four times the input costs at most about four times the work, in executed lines of Python."""
    small, large = work(make, items_of(size)), work(make, items_of(4 * size))
    assert large <= 4.4 * small + 200, f"{small} lines for {size}, {large} for {4 * size}"


def work[In, Out](make: Make[In, Out], items: Sequence[In]) -> int:
    """How many lines of Python run while a fresh stage takes the items and closes."""
    count = 0

    def line(*_: object) -> None:
        nonlocal count
        count += 1

    monitoring = sys.monitoring
    monitoring.use_tool_id(_TOOL, "stage laws")
    try:
        monitoring.register_callback(_TOOL, monitoring.events.LINE, line)
        monitoring.set_events(_TOOL, monitoring.events.LINE)
        run(make, items)
    finally:
        monitoring.set_events(_TOOL, monitoring.events.NO_EVENTS)
        monitoring.free_tool_id(_TOOL)
    return count


def held(value: object) -> int:
    """Characters, bytes and elements reachable from a value: how much a stage holds back."""
    return _weigh(value, set())


def _weigh(value: object, seen: set[int]) -> int:
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if value is None or isinstance(value, int | float | Enum | type) or callable(value) or id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, dict):
        return len(value) + sum(_weigh(part, seen) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return len(value) + sum(_weigh(part, seen) for part in value)
    return sum(_weigh(part, seen) for part in _parts(value))


def _parts(value: Any) -> list[object]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(value, "__dict__", {}).values(), *(getattr(value, name, None) for name in slots)]
