"""The text from a confirmed opener on, kept until the call in it is whole.

Cost: pieces are only collected, `endings` looks at each character once for places where the call may be over, and a
reading is tried there. The readings tried so far may have cost at most `16 · n + 256 K` characters, so that the work
stays linear in the text `n` even for a body full of closers; what is not tried then is read at the end of the answer.
Where a reading is tried depends on the text alone, not on how it was cut.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.endings import escaped_end, watch_for
from qwen_bridge.toolcalls.grammar import read_call
from qwen_bridge.toolcalls.reading import Reading

WORK_PER_CHARACTER = 16
FREE_WORK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Settled:
    """How a held text ended: the reading (None: no call after all, or too long), the text read, the text behind."""

    reading: Reading | None
    text: str
    rest: str
    too_long: bool = False


class Held:
    """Collects one call. `limit` is in characters."""

    __slots__ = ("_catalogue", "_ends", "_escaped", "_fenced", "_limit", "_pieces", "_size", "_work")

    def __init__(self, opener: str, catalogue: Catalogue, limit: int, *, fenced: bool) -> None:
        self._catalogue = catalogue
        self._limit = limit
        self._fenced = fenced
        self._escaped = opener.startswith("&lt;")
        self._ends = watch_for(opener).ends
        self._pieces: list[str] = []
        self._size = 0
        self._work = 0

    def feed(self, text: str) -> Settled | None:
        """Take more text; return how the call ended, or None while it has not."""
        before = self._size
        self._pieces.append(text)
        self._size += len(text)
        if self._size > self._limit:
            return Settled(None, "", "", too_long=True)
        if self._fenced:
            return None
        for end in self._ends(text):
            if (settled := self._try(before + end)) is not None:
                return settled
        return None

    def _try(self, end: int) -> Settled | None:
        if self._work + end > WORK_PER_CHARACTER * end + FREE_WORK:
            return None
        self._work += end
        whole = self._whole()
        reading = self._read(whole[:end])
        if reading is None or not reading.whole:
            return None
        return self._settled(reading, whole)

    def finish(self) -> Settled:
        """The text has ended: read what is there."""
        whole = self._whole()
        return self._settled(self._read(whole), whole)

    def _settled(self, reading: Reading | None, whole: str) -> Settled:
        if reading is None:
            return Settled(None, whole, "")
        end = escaped_end(whole) if self._escaped else min(reading.end, len(whole))
        return Settled(reading, whole[:end], whole[end:])

    def _read(self, text: str) -> Reading | None:
        if not self._escaped:
            return read_call(text, self._catalogue)
        if "<" in text or ">" in text:
            return None
        return read_call(html.unescape(text), self._catalogue)

    def _whole(self) -> str:
        whole = "".join(self._pieces)
        self._pieces = [whole]
        return whole
