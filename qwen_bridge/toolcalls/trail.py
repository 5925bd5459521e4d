"""Which tags stand unmatched in the text around the calls: opened before a call, or closed behind one.

A call whose head is broken is let through as prose, and a call that it quotes then looks like one of its own. What
tells is on both sides of it: an opener of a declared tool or of a parameter that nothing closed, and later a closer
that nothing opened. Text in code spans is not fed; that in fences is, for a body may hold fences.

Cost: each character is looked at once, and only when a call has begun or ended.
"""

from __future__ import annotations

from collections import Counter

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.ruins import unopened
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, PARAMETERS, tags_in

NEAR = 4000
"""Characters before a call in which an opener that nothing closed is looked for."""


class Trail:
    """Fed with what is let through; answers when a call begins (`within`) and when one may be over (`take_…`)."""

    __slots__ = ("_before", "_behind", "_called", "_known", "_open", "_size", "_strays")

    def __init__(self, catalogue: Catalogue) -> None:
        tools = catalogue.tools.values()
        known = {*catalogue.tools, *(key for tool in tools for key in tool.properties)}
        any_key = any("properties" not in tool.spec.parameters for tool in tools)
        # Which openers count: where a tool may have any parameter, all of them.
        self._known = None if any_key else frozenset(known | PARAMETERS | CALLS | ARGUMENTS)
        self._called = False  # there was a call
        self._before: list[str] = []  # what came since the openers in `_open` were counted
        self._size = 0
        self._open: Counter[str] = Counter()  # openers that nothing closed, as far as they matter
        self._behind: list[str] = []  # what came behind a call since `take_dangling`
        self._strays: list[str] = []  # words of closers directly behind a call

    def add(self, text: str) -> None:
        """Text that is let through, outside of code spans."""
        if self._called:
            self._behind.append(text)
        self._before.append(text)
        self._size += len(text)
        if self._size > 4 * NEAR:
            self._before = ["".join(self._before)[-NEAR:]]
            self._size = len(self._before[0])

    def hide(self, text: str) -> None:
        """Text behind a call that is not shown: thinking, or what follows the end of what counts."""
        if self._called:
            self._behind.append(text)

    def drop(self, word: str) -> None:
        """A closer directly behind a call."""
        self._strays.append(word)

    def call(self) -> None:
        """A call has ended here."""
        self._called = True

    def within(self) -> bool:
        """Whether an opener stands before this place that nothing closed."""
        for tag in tags_in("".join(self._before)[-NEAR:]):
            if tag.closing:
                self._open[tag.word] = max(0, self._open[tag.word] - 1)
            elif not tag.void and (self._known is None or tag.word in self._known):
                self._open[tag.word] += 1
        self._before.clear()
        self._size = 0
        self._open = +self._open
        return bool(self._open)

    def take_strays(self) -> frozenset[str]:
        """Words of the closing tags directly behind a call that came since this was last asked."""
        found = frozenset(self._strays)
        self._strays.clear()
        return found

    def take_dangling(self) -> frozenset[str]:
        """Words of closing tags that came behind a call since this was last asked, although nothing was open."""
        found = unopened("".join(self._behind))
        self._behind.clear()
        return found
