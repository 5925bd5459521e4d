"""Where in the prose a marker stands: in code, in a comment, in a quotation, behind the word "example".

A quotation is a line of a block quote, of a diff, of a table or of a log, what stands behind a quotation mark or in a
string of JSON, and a shell's here-document; a marker directly behind a bullet is one of a list of forms. A model writes
a call of its own on a line of its own, or behind words.

Such a marker is a mention and never a call (knowledge/toolcalls.md 3.4). The state is carried from piece to piece
and does not depend on where the text was cut; whoever feeds it keeps a run of backticks in one piece.
"""

from __future__ import annotations

import re
from enum import Enum

_MARK = re.compile(r"`+|\n(?:[^\S\n]*\n)*|<!--")
"""Backticks, the opening of a comment, or the end of a line together with the blank lines behind it."""
_FENCE = re.compile(r"^[ \t]*(?:>[ \t]*)*(?:[-*+][ \t]+)?(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)$")
_QUOTED = re.compile(
    r"""
    # block quote, comment, row of a table
    [ \t]*(?:>|//|\|)
    # line of a diff
    | [+-](?![ \t\d>+\-]).*
    # directly behind the mark of a heading or a prompt, or behind a bullet
    | [ \t]*(?:\#{1,6}|[$%]|[-*+•‣]|\d{1,3}[.)])[ \t]+\Z
    # line of a log
    | [ \t]*\[?(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d\b
    | [ \t]*(?:\[[ ]?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b|(?:TRACE|DEBUG|INFO)[ \t]*[:|])
    """,
    re.VERBOSE | re.DOTALL,
)
"""The start of a line on which nothing is a call."""
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
_IN_HUNK = (" ", "+", "-", "\\")
_HERE = re.compile(
    r"""
    [ \t]*(?:[$#>][ \t]+)?[a-z./][\w./\-]*\b [^\n]*? (?<![<\w])<<[-~]?
    (?:[ \t]*(?P<quote>['"])(?P<quoted>\w+)(?P=quote)|(?P<word>[A-Z][A-Z0-9_]+)) [ \t]*(?:\Z|[|>&;)])
    """,
    re.VERBOSE,
)
"""A command that reads a here-document: nothing but redirections stand behind the word that ends it."""
_STRING = re.compile(r"""["'][\w.\- ]{1,60}["'][ \t]*:[ \t]*(?P<quote>["'])""")
_QUOTES = "“‘«「『„"
_BEFORE_QUOTE = re.compile(r"(?:\A|[\s(\[{=:,])'\Z")
_OPENING_TAG_LAST = re.compile(r"[<＜][^<>＜＞/／][^<>＜＞]*[>＞]\s*\Z")
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

    __slots__ = (
        "_blank", "_comment", "_ending", "_fence", "_here", "_hunk", "_intro", "_line", "_quotes", "_recent", "_span",
        "example",
    )  # fmt: skip

    def __init__(self) -> None:
        self._line = ""  # the start of the current line, as far as it matters
        self._blank = True  # nothing but blanks stands on it
        self._intro = ""  # the last line before it that was not blank
        self._fence = ""  # the marks that opened a fence, or ""
        self._span = 0  # how many backticks opened a code span, or 0
        self._recent = ""  # its end
        self._comment = False
        self._ending = ""  # the last two characters inside a comment
        self._here = ""  # the word that ends the here-document, or ""
        self._hunk = False  # inside a hunk of a diff
        self._quotes = False  # a quoted marker stands on this line
        self.example = False  # a call-like example was let through; ends at a blank line

    def feed(self, text: str) -> None:
        """Take the next piece of prose."""
        at = self._out_of_comment(text, 0) if self._comment else 0
        while (found := _MARK.search(text, at)) is not None:
            self._add(text[at : found.start()])
            at = found.end()
            mark = found.group()
            if mark[0] == "\n":
                self._end_line()
                if mark.count("\n") > 1:
                    self._end_line()
            elif mark[0] == "`":
                self._tick(mark)
            else:
                self._add(mark)
                if not self._fence and not self._span:
                    self._comment, self._ending = True, ""
                    at = self._out_of_comment(text, at)
        self._add(text[at:])

    def _out_of_comment(self, text: str, at: int) -> int:
        """Go to the end of the comment, from `at` on; return the index behind it."""
        begun = (self._ending + text[at : at + 2]).find("-->")
        if 0 <= begun < len(self._ending):
            end = at + begun - len(self._ending) + 3
        elif (found := text.find("-->", at)) >= 0:
            end = found + 3
        else:
            self._ending = (self._ending + text[max(at, len(text) - 2) :])[-2:]
            return len(text)
        self._comment = False
        return end

    def _add(self, text: str) -> None:
        if not text:
            return
        if len(self._line) < _MEMORY:
            self._line += text[: _MEMORY - len(self._line)]
        self._blank = self._blank and text.isspace()
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
        if self._blank:
            self.example, self._span = False, 0
        else:
            self._line_of_text()
        self._line = self._recent = ""
        self._blank, self._quotes = True, False

    def _line_of_text(self) -> None:
        self._intro = self._recent
        if not self._fence:
            self._quotation()
        found = _FENCE.match(self._line)
        if found is not None and not self._fence:
            self._fence, self._span = found["mark"], 0
        elif found is not None and found["mark"].startswith(self._fence) and not found["info"].strip():
            self._fence = ""

    def _quotation(self) -> None:
        """A line has ended that may begin a quotation, or end one."""
        if self._quotes and _OPENING_TAG_LAST.search(self._recent):
            self.example = True  # what a quoted tag opened goes on, up to a blank line
        self._hunk = _HUNK.match(self._line) is not None or (self._hunk and self._line.startswith(_IN_HUNK))
        if self._here:
            self._here = "" if self._line.strip() == self._here else self._here
        elif (here := _HERE.search(self._line)) is not None:
            self._here = here["quoted"] or here["word"]

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
        return self._blank

    @property
    def inert(self) -> bool:
        """Whether a marker here can be nothing but a mention."""
        return self.code is not Code.PROSE or self.example or bool(self._here) or self._quoted

    def quote(self) -> None:
        """A marker is let through here. Where it is quoted, what else stands on its line belongs to it."""
        self._quotes = self._quotes or (self.code is Code.PROSE and self._quoted)

    @property
    def _quoted(self) -> bool:
        if self._quotes or (self._hunk and self._line.startswith(_IN_HUNK)):
            return True
        return _QUOTED.match(self._line) is not None or _behind_quote(self._line, self._recent)

    @property
    def introduced(self) -> bool:
        """Whether the words before this place announce an example."""
        before = self._recent if not self._blank else self._intro if self._intro.rstrip().endswith((":", "：")) else ""
        return _INTRODUCES.search(_SENTENCE_END.split(before)[-1]) is not None


def _behind_quote(line: str, recent: str) -> bool:
    """Whether a place, behind `line` of which `recent` is the end, stands directly behind a quotation mark that opens
    one, or inside of a string of JSON.
    """
    mark = recent[-1:]
    if mark and mark in _QUOTES:
        return True
    if mark == '"' and line.count('"') % 2:
        return True
    if mark == "'" and _BEFORE_QUOTE.search(recent):
        return True
    found = _STRING.search(line)
    return found is not None and line.count(found["quote"], found.start("quote")) % 2 == 1
