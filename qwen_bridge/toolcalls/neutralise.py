"""Text that mentions a tool's tag, made safe for clients that run whatever looks like one; and made whole again.

Roo and Cline execute an exact `<name>` in prose, in code spans and in fences (client-parsers.md 3). In prose the `<`
becomes `&lt;`; in code, where an entity would be shown as such, a zero-width space follows it. `restore` takes both
marks out of the history again before it goes to the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from qwen_bridge.toolcalls.place import Code, Place

ZERO_WIDTH = "\u200b"


@lru_cache(maxsize=64)
def _tags(names: tuple[str, ...], opening: str) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    return re.compile(rf"{opening}(?P<name>{alternatives})>" if alternatives else r"(?!)")


class Neutraliser:
    """Takes text in any pieces, gives it back with the mentions made inert.

    Held back: the longest end that can still become an exact tag, and a run of backticks that may go on.
    """

    __slots__ = ("_held", "_names", "_place", "_starts")

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._starts = tuple(f"<{name}>" for name in self._names)
        self._place = Place()
        self._held = ""

    def feed(self, text: str) -> str:
        text = self._held + text
        keep = self._kept(text)
        self._held = text[len(text) - keep :]
        return self._safe(text[: len(text) - keep])

    def close(self) -> str:
        """What was held back."""
        text, self._held = self._held, ""
        return self._safe(text)

    def _kept(self, text: str) -> int:
        at = text.rfind("<")
        if at >= 0 and any(start.startswith(text[at:]) for start in self._starts):
            return len(text) - at
        return len(text) - len(text.rstrip("`")) if text.endswith("`") else self._comment_kept(text)

    def _comment_kept(self, text: str) -> int:
        for mark in ("<!-", "<!"):
            if text.endswith(mark):
                return len(mark)
        return 0

    def _safe(self, text: str) -> str:
        pieces: list[str] = []
        at = 0
        for found in _tags(self._names, "<").finditer(text):
            self._place.feed(text[at : found.start()])
            prose = self._place.code is Code.PROSE
            pieces += [text[at : found.start()], "&lt;" if prose else f"<{ZERO_WIDTH}", f"{found['name']}>"]
            self._place.feed(found.group())
            at = found.end()
        self._place.feed(text[at:])
        return "".join([*pieces, text[at:]])


def restore(text: str, names: Iterable[str]) -> str:
    """`text` as it was before a `Neutraliser` for the same names saw it."""
    marked = tuple(names)
    return _tags(marked, f"(?:&lt;|<{ZERO_WIDTH})").sub(r"<\g<name>>", text) if marked else text
