"""Where in the prose a marker stands: in code, in a comment, in a quotation, behind the word "example".

Such a marker is a mention and never a call (knowledge/toolcalls.md 3.4). The state is carried from piece to piece
and does not depend on where the text was cut; whoever feeds it keeps a run of backticks in one piece.
"""

from __future__ import annotations

import re
from enum import Enum

_TICKS = re.compile(r"`+|\n|<!--")
_FENCE = re.compile(r"^[ \t]*(?:>[ \t]*)*(?:[-*+][ \t]+)?(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)$")
_QUOTED = re.compile(r"^[ \t]*(?:>|//)")
_INTRODUCES = re.compile(
    r"\b(?:examples?|e\.g\.|for instance|such as|like this|looks like|format|syntax|template|placeholder)\b"
    r"|例如|示例|格式|比如",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?。！？]\s+|</?\w+>")
_MEMORY = 400
_RECENT = 200


class Code(Enum):
    """In what sort of text a place is."""

    PROSE = "prose"
    SPAN = "code span"
    FENCE = "fence"
    COMMENT = "comment"


class Place:
    """Follows the text that is let through and knows what its next character stands in."""

    __slots__ = ("_comment", "_ending", "_fence", "_intro", "_line", "_recent", "_span", "example")

    def __init__(self) -> None:
        self._line = ""  # the start of the current line, as far as it matters
        self._intro = ""  # the last line before it that was not blank
        self._fence = ""  # the marks that opened a fence, or ""
        self._span = 0  # how many backticks opened a code span, or 0
        self._recent = ""  # its end
        self._comment = False
        self._ending = ""  # the last two characters inside a comment
        self.example = False  # a call-like example was let through; ends at a blank line

    def feed(self, text: str) -> None:
        """Take the next piece of prose."""
        if self._comment:
            text = self._out_of_comment(text)
        at = 0
        for found in _TICKS.finditer(text):
            self._add(text[at : found.start()])
            at = found.end()
            match found.group():
                case "\n":
                    self._end_line()
                case "<!--" as mark:
                    self._add(mark)
                    if not self._fence and not self._span:
                        self._comment, self._ending = True, ""
                        return self.feed(text[at:])
                case ticks:
                    self._tick(ticks)
        self._add(text[at:])

        return None

    def _out_of_comment(self, text: str) -> str:
        """Go to the end of the comment; return what is behind it."""
        window = self._ending + text
        inside, mark, behind = window.partition("-->")
        self._ending = inside[-2:]
        self._comment = not mark
        return behind

    def _add(self, text: str) -> None:
        self._line += text[: max(0, _MEMORY - len(self._line))]
        self._recent = (self._recent + text[-_RECENT:])[-_RECENT:]

    def _tick(self, ticks: str) -> None:
        self._add(ticks)
        if self._fence:
            return
        if not self._span:
            self._span = len(ticks)
        elif self._span == len(ticks):
            self._span = 0

    def _end_line(self) -> None:
        found = _FENCE.match(self._line)
        if found is not None and not self._fence:
            self._fence, self._span = found["mark"], 0
        elif found is not None and found["mark"].startswith(self._fence) and not found["info"].strip():
            self._fence = ""
        if self._line.strip():
            self._intro = self._recent
        else:
            self.example, self._span = False, 0
        self._line = self._recent = ""

    @property
    def code(self) -> Code:
        """What the next character stands in."""
        if self._comment:
            return Code.COMMENT
        if self._fence:
            return Code.FENCE
        return Code.SPAN if self._span else Code.PROSE

    @property
    def at_line_start(self) -> bool:
        """Whether nothing but blanks stands before on this line."""
        return not self._line.strip()

    @property
    def inert(self) -> bool:
        """Whether a marker here can be nothing but a mention."""
        return self.code is not Code.PROSE or self.example or _QUOTED.match(self._line) is not None

    @property
    def introduced(self) -> bool:
        """Whether the words before this place announce an example."""
        before = (
            self._recent if self._line.strip() else self._intro if self._intro.rstrip().endswith((":", "：")) else ""
        )
        return _INTRODUCES.search(_SENTENCE_END.split(before)[-1]) is not None
