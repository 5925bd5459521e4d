"""What every transformation of a stream looks like, and how they are joined.

A stage takes one item and returns the finished list of what became ready. It keeps eight laws; `tests/stage_laws.py`
holds every stage of the house to them:

1. *cut-free*: the same result however the input is cut;
2. *total close*: `close` may come at any moment, comes last, and a second `close` returns nothing;
3. *drained*: what is held back comes out before a terminal event;
4. *bounded*: what is held back has a limit;
5. *lossless*: nothing that went in is lost without a word;
6. *no exception from input*: bad input becomes an item (an error event), never an exception;
7. *linear*: the work is linear in the input;
8. *eager*: the returned list is finished, nothing happens later.

The contract is mitmproxy's own for a stream callable, so a pipeline can be driven by a hook, a replay or a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Stage[In, Out](Protocol):
    """One step of a stream."""

    def feed(self, item: In, /) -> Sequence[Out]:
        """Take one item; return what became ready because of it, in order."""
        ...

    def close(self) -> Sequence[Out]:
        """The input has ended; return what was held back. Last call but for further, empty, `close`s."""
        ...


class Pipeline[In, Out]:
    """Stages one behind the other, as one stage.

    The types between the stages are the caller's to get right; a mismatch shows in the first item fed.
    """

    __slots__ = ("_stages",)

    def __init__(self, *stages: Stage[Any, Any]) -> None:
        self._stages = stages

    def feed(self, item: In, /) -> Sequence[Out]:
        return self._run([item], 0)

    def close(self) -> Sequence[Out]:
        """Close front to back, each stage after it has taken what its predecessor still held."""
        ready: list[Any] = []
        for position in range(len(self._stages)):
            drained = self._stages[position].close()
            if drained:
                ready.extend(self._run(drained, position + 1))
        return ready

    def _run(self, items: Sequence[Any], start: int) -> Sequence[Any]:
        for stage in self._stages[start:]:
            if not items:
                return items
            if len(items) == 1:
                items = stage.feed(items[0])
                continue
            items = [out for item in items for out in stage.feed(item)]
        return items
