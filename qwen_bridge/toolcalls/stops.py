"""Where in prose the gate must look closer: one search goes over everything else.

A stop is a bracket behind which a tag that counts may follow, a backtick, and a newline before a mark that counts at
the start of a line. Which tags count is known before the first word comes: markup of other sorts, however much of it,
costs little more than words. A stop is only a reason to look; what really stands there, the readers say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from qwen_bridge.toolcalls.asides import QUOTES, RESULTS
from qwen_bridge.toolcalls.catalogue import fold
from qwen_bridge.toolcalls.dialects.named import WORDS
from qwen_bridge.toolcalls.tags import CALLS, WRAPPERS

LINE_MARK = re.compile(r"[{\[*`~&]|f(?:u|\Z)|T(?:o|\Z)")
"""What may begin something at the start of a line: JSON, a fence, bold, an entity, `function=`, "Tool X does not …"."""

_STOP = re.compile(
    rf"""
    [<＜](?=[ \t]{{0,40}}[/／]?[ \t]{{0,40}}(?:[|｜]{{1,2}}[ \t]{{0,8}}(?:\w|\Z)|!|\Z|(?P<word>\w[\w.\-]*)))
    | ` | \n(?=[ \t]*(?:{LINE_MARK.pattern}))
    """,
    re.VERBOSE,
)
_COUNT = frozenset((*WORDS, *WRAPPERS, *CALLS, *RESULTS, *QUOTES, "parameter", "think", "thinking"))


class Stops:
    """The stops of one answer; `names` are the declared tools, whose tags count in any case and with any separators."""

    __slots__ = ("_folded", "_words")

    def __init__(self, names: Iterable[str]) -> None:
        tools = tuple(names)
        self._words = _COUNT.union(name.casefold() for name in tools)
        self._folded = frozenset(fold(name) for name in tools)

    def find(self, text: str, at: int, *, any_tag: bool) -> int | None:
        """The index of the first stop from `at` on; `any_tag` says that every tag counts."""
        for found in _STOP.finditer(text, at):
            word = found["word"]
            if any_tag or word is None or found.end("word") == len(text):
                return found.start()
            if word.casefold() in self._words or fold(word) in self._folded:
                return found.start()
        return None
