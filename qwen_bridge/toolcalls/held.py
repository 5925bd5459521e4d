"""The text from a confirmed opener on, kept until the call in it is whole.

Cost: pieces are only collected; a tail of a few characters is looked at for closers, and a reading is tried at the
end of a closer. The readings tried so far may have cost at most `16 · n + 256 K` characters, so that the work stays
linear in the text `n` even for a body full of closers; what is not tried then is read at the end of the answer.
Where a reading is tried depends on the text alone, not on how it was cut.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.grammar import read_call
from qwen_bridge.toolcalls.reading import Reading
from qwen_bridge.toolcalls.tags import CALLS, NAMESPACE, WRAPPERS, is_wrapper, tag_at

WORK_PER_CHARACTER = 16
FREE_WORK = 256 * 1024
_TAIL = 400  # characters; longer than any closer, blanks included

_ESCAPED_END = re.compile(r"&lt;/[\w.\-]+&gt;")


@dataclass(frozen=True, slots=True)
class Settled:
    """How a held text ended: the reading (None: no call after all, or too long), the text read, the text behind."""

    reading: Reading | None
    text: str
    rest: str
    too_long: bool = False


class Held:
    """Collects one call. `limit` is in characters."""

    __slots__ = (
        "_catalogue", "_closer", "_ends_closer", "_escaped", "_fenced", "_limit", "_pieces", "_recent", "_size",
        "_tail", "_work",
    )  # fmt: skip

    def __init__(self, opener: str, catalogue: Catalogue, limit: int, *, fenced: bool) -> None:
        self._catalogue = catalogue
        self._limit = limit
        self._fenced = fenced
        self._escaped = opener.startswith("&lt;")
        self._closer = self._closer_of(opener)
        self._ends_closer = re.compile(r"[^ \t]" if opener[0] in "{[" else ";" if self._escaped else "[>＞]").search
        self._pieces: list[str] = []
        self._recent: list[str] = []  # what came since closers were last looked for
        self._size = 0
        self._tail = ""
        self._work = 0

    def _closer_of(self, opener: str) -> re.Pattern[str]:
        """What may end this call: the wrapper's closer if there is a wrapper, else that of the call."""
        if self._escaped:
            return _ESCAPED_END
        if opener[0] in "{[":
            return re.compile(r"[}\]][ \t]{0,40}[^ \t}\]]")
        tag = tag_at(opener.lstrip("*"), 0)
        words = WRAPPERS
        if tag is None or not is_wrapper(tag) or tag.word.casefold() in CALLS:
            words = CALLS | {"invoke_name"} | ({tag.word} if tag is not None else set()) | WRAPPERS
        alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        return re.compile(
            rf"[<＜][ \t]{{0,40}}[/／][ \t]{{0,40}}{NAMESPACE}(?:{alternatives})[ \t]{{0,40}}[>＞]|<\|call\|>|<\|end\|>"
        )

    def feed(self, text: str) -> Settled | None:
        """Take more text; return how the call ended, or None while it has not."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size > self._limit:
            return Settled(None, "", "", too_long=True)
        if self._fenced:
            return None
        self._recent.append(text)
        return None if self._ends_closer(text) is None else self._look(self._size - len(text))

    def _look(self, seen: int) -> Settled | None:
        """Look for closers that end behind the first `seen` characters."""
        window = "".join((self._tail, *self._recent))
        start = self._size - len(window)
        for found in self._closer.finditer(window):
            end = start + found.end()
            if end > seen and (settled := self._try(end)) is not None:
                return settled
        self._tail, self._recent = window[-_TAIL:], []
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
        end = min(reading.end, len(whole)) if not self._escaped else self._escaped_end(whole)
        return Settled(reading, whole[:end], whole[end:])

    def _escaped_end(self, whole: str) -> int:
        ends = [found.end() for found in _ESCAPED_END.finditer(whole)]
        return ends[-1] if ends else len(whole)

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
