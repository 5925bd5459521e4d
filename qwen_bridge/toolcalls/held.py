"""The text from a confirmed opener on, kept until the call in it is whole.

Cost: pieces are only collected, `endings` looks at each character once for places where the call may be over, and a
reading is tried there. What the readings of an answer may cost is bounded (`Effort`), so that the work stays linear in
the text even for a body full of closers; what is not tried then is read at the end of the answer. Calls that only the
end can settle are read there one behind the other, each with all that follows it: that is bounded too, and the rest
does not run. Where a reading is tried depends on the text alone, not on how it was cut.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.endings import escaped_end, watch_for
from qwen_bridge.toolcalls.grammar import read_call
from qwen_bridge.toolcalls.policy import Reason
from qwen_bridge.toolcalls.reading import Reading

WORK_PER_CHARACTER = 16
WORK_PER_BRACKET = 256
"""What a tag costs the reader of a call, in characters of plain text; measured, and rounded."""

FREE_WORK = 8 * 1024 * 1024


class Effort:
    """What the readings of one answer have cost, in characters of plain text.

    At most `WORK_PER_CHARACTER` for each character held so far, `FREE_WORK`, and the one reading that went beyond;
    once for the readings that are tried, and once for those at the end.
    """

    __slots__ = ("_at_end", "_settled", "_tried")

    def __init__(self) -> None:
        self._settled = 0  # characters of the calls before
        self._tried = 0
        self._at_end = 0

    def settle(self, size: int) -> None:
        """A call of `size` characters is over."""
        self._settled += size

    def may_try(self, text: str, end: int) -> bool:
        """Whether `text` may be read up to `end`, which then counts."""
        allowed = self._tried <= self._allowed(end)
        self._tried += allowed and _work(text, end)
        return allowed

    def may_end(self, text: str) -> bool:
        """Whether `text`, which is all that is left, may be read, which then counts."""
        allowed = self._at_end <= self._allowed(len(text))
        self._at_end += allowed and _work(text, len(text))
        return allowed

    def _allowed(self, size: int) -> int:
        return WORK_PER_CHARACTER * (self._settled + size) + FREE_WORK


def _work(text: str, end: int) -> int:
    return end + WORK_PER_BRACKET * text.count("<", 0, end)


@dataclass(frozen=True, slots=True)
class Settled:
    """How a held text ended: the reading (None: no call after all), the text read, the text behind.

    `unread` says why none of it was, nor will be.
    """

    reading: Reading | None
    text: str
    rest: str
    unread: Reason | None = None


class Held:
    """Collects one call. `limit` is in characters."""

    __slots__ = ("_catalogue", "_effort", "_ends", "_escaped", "_fenced", "_limit", "_pieces", "_size")

    def __init__(self, opener: str, catalogue: Catalogue, limit: int, effort: Effort, *, fenced: bool) -> None:
        self._catalogue = catalogue
        self._limit = limit
        self._effort = effort
        self._fenced = fenced
        self._escaped = opener.startswith("&lt;")
        self._ends = watch_for(opener).ends
        self._pieces: list[str] = []
        self._size = 0

    def feed(self, text: str) -> Settled | None:
        """Take more text; return how the call ended, or None while it has not."""
        before = self._size
        self._pieces.append(text)
        self._size += len(text)
        if self._size > self._limit:
            return Settled(None, "", "", Reason.TOO_LONG)
        if self._fenced:
            return None
        for end in self._ends(text):
            if (settled := self._try(before + end)) is not None:
                return settled
        return None

    def _try(self, end: int) -> Settled | None:
        whole = self._whole()
        if not self._effort.may_try(whole, end):
            return None
        reading = self._read(whole[:end])
        if reading is None or not reading.whole:
            return None
        return self._settled(reading, whole)

    def finish(self) -> Settled:
        """The text has ended: read what is there."""
        whole = self._whole()
        if not self._fenced and not self._effort.may_end(whole):
            return Settled(None, "", "", Reason.UNREADABLE)
        return self._settled(self._read(whole), whole)

    def _settled(self, reading: Reading | None, whole: str) -> Settled:
        if reading is None:
            return Settled(None, whole, "")
        end = escaped_end(whole) if self._escaped else min(reading.end, len(whole))
        self._effort.settle(end)
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
