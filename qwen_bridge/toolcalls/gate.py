"""Prose goes through at once; at an opener it stops.

The gate holds back only the longest suffix that can still become an opener, a fence, an inline thinking tag, or the
site's own refusal line. It gives pieces of text, of thinking, and flags, and at an opener the text from there on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from qwen_bridge.toolcalls import asides
from qwen_bridge.toolcalls.asides import WAIT, Aside
from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.markers import Found, Markers
from qwen_bridge.toolcalls.pieces import Kind, Passed, Piece
from qwen_bridge.toolcalls.place import Code, Place
from qwen_bridge.toolcalls.stops import LINE_MARK, Stops
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, PARTIAL_NAMESPACE, WRAPPERS, tag_at
from qwen_bridge.toolcalls.trail import Trail

_BLANKS = re.compile(r"[ \t]*")
_SPAN_END = re.compile(r"\A[^\S\n]*\n|\n[^\S\n]*\n")
"""The first place where a blank line may have ended a code span."""
_BOLD = re.compile(r"\*{1,3}(?=[<＜])")
_THINKING_END = re.compile("|".join(asides.THINKING_CLOSERS))
_STRAY = WRAPPERS | CALLS | ARGUMENTS | {"parameter"}
_LONGEST_CLOSER = 80


class _Step(Enum):
    """What to do at a stop."""

    LET_THROUGH = "the mark is text"
    STAY = "more text is needed"
    CALL = "a call begins"
    HALF = "the text ends inside an opener"


_STEPS = {Found.NOTHING: _Step.LET_THROUGH, Found.PARTIAL: _Step.STAY, Found.HALF: _Step.HALF, Found.CALL: _Step.CALL}


class Mode(Enum):
    """The one state of the gate."""

    PROSE = "prose"
    THINKING = "inside inline thinking tags"
    BLOCK = "inside an invented result or a quotation"
    CUT = "behind the end of what counts"


class Gate:
    """Feed text in any pieces; the outcome does not depend on them."""

    __slots__ = (
        "_after_call", "_block", "_called", "_catalogue", "_closers", "_held", "_markers", "_mode", "_place", "_stops",
        "trail",
    )  # fmt: skip

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._markers = Markers(catalogue)
        self._stops = Stops(catalogue.tools)
        self._place = Place()
        self._mode = Mode.PROSE
        self._held = ""
        self._after_call = False  # nothing but blanks and closers came since a call
        self._called = False  # there was a call
        self._block = ""
        self._closers: frozenset[str] = _STRAY  # closers that are dropped where they follow a call
        self.trail = Trail(catalogue)  # unmatched tags in what was let through

    def resume(self, names: Iterable[str] = ()) -> None:
        """Calls of these names have just ended: stray closers and blanks that follow belong to them."""
        self._closers = _STRAY | {name.casefold() for name in names}
        self._after_call = self._called = True
        self.trail.call()

    def cut(self) -> None:
        """Nothing that follows counts: it is neither text nor call."""
        self._mode = Mode.CUT

    def skip(self, text: str, passed: Passed) -> str:
        """What stands at the start of `text` is no call: let its first mark through, and return the rest."""
        end = len(asides.run_at(text, 0))
        self._pass(text[:end], passed)
        return text[end:]

    def feed(self, text: str, *, final: bool = False) -> Passed:
        """Take text. When a call begins, the gate has taken nothing from there on."""
        text, self._held = self._held + text, ""
        passed = Passed()
        if self._mode is Mode.CUT:
            self.trail.hide(text)
            return passed
        at = 0
        while at < len(text):
            if self._mode is Mode.THINKING:
                at, waits = self._think(text, at, passed, final)
            else:
                at, waits = self._prose(text, at, passed, final)
            if passed.call is not None:
                return passed
            if waits:
                self._held = text[at:]
                break
        return passed

    def _think(self, text: str, at: int, passed: Passed, final: bool) -> tuple[int, bool]:
        """Go to the closing tag; what is before it is thinking."""
        found = _THINKING_END.search(text, at)
        if found is not None:
            self._thought(text[at : found.start()], passed)
            self._mode = Mode.PROSE
            return found.end(), False
        keep = 0 if final else asides.held_suffix(text[at:], asides.THINKING_CLOSERS)
        self._thought(text[at : len(text) - keep], passed)
        return len(text) - keep, True

    def _thought(self, text: str, passed: Passed) -> None:
        passed.pieces.append(Piece(Kind.THINKING, text))
        self.trail.hide(text)

    def _prose(self, text: str, at: int, passed: Passed, final: bool) -> tuple[int, bool]:
        """Go to the next stop and decide there."""
        if self._line_start():
            start = _BLANKS.match(text, at)
            begin = start.end() if start else at
            if begin < len(text) and LINE_MARK.match(text, begin):
                self._pass(text[at:begin], passed)
                return self._act(self._at_line_mark(text, begin, passed, final), text, begin, passed)
        stop = self._stops.find(text, at, any_tag=self._after_call)
        if stop is None:
            self._pass(text[at:], passed)
            return len(text), False
        end = stop + (text[stop] == "\n")
        if end > at:
            self._pass(text[at:end], passed)
            return end, False
        return self._at_stop(text, at, passed, final)

    def _line_start(self) -> bool:
        return self._place.at_line_start or self._after_call

    def _act(self, step: _Step | int, text: str, at: int, passed: Passed) -> tuple[int, bool]:
        """Carry out what was decided at `at`; an int says that the text up to there was consumed."""
        if isinstance(step, int):
            return step, False
        if step is _Step.STAY:
            return at, True
        if step is _Step.CALL:
            passed.call = text[at:]
            return len(text), False
        if step is _Step.HALF:
            passed.pieces.append(Piece(Kind.HALF, text[at:]))
            return len(text), False
        end = at + len(asides.run_at(text, at))
        self._pass(text[at:end], passed)
        return end, False

    def _at_line_mark(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        """A character that matters at the start of a line only."""
        mark = text[at]
        if mark in "`~":
            return self._at_fence(text, at, passed, final)
        if mark == "T":
            return self._at_refusal(text, at, passed, final)
        if self._place.inert or self._mode is Mode.BLOCK:
            return _Step.LET_THROUGH
        if mark == "*":
            return self._at_bold(text, at, final)
        if mark == "&":
            return self._at_escaped(text, at, final)
        return self._decide(self._markers.at(text, at, final=final))

    def _decide(self, found: Found) -> _Step:
        if found is Found.CALL and self._place.introduced and not self._after_call:
            self._place.example = True
            return _Step.LET_THROUGH
        return _STEPS[found]

    def _at_bold(self, text: str, at: int, final: bool) -> _Step:
        found = _BOLD.match(text, at)
        if found is not None:
            return self._decide(self._markers.at(text, found.end(), final=final))
        partial = not final and not text[at:].strip("*") and len(text) - at < 4
        return _Step.STAY if partial else _Step.LET_THROUGH

    def _at_escaped(self, text: str, at: int, final: bool) -> _Step:
        """A call whose every bracket is an entity: only where a whole tool tag stands at the start of a line."""
        seen = asides.escaped_tag(text, at, final=final)
        if isinstance(seen, Aside):
            return _Step.CALL if self._catalogue.resolve(seen.word) is not None else _Step.LET_THROUGH
        return _Step.STAY if seen is WAIT else _Step.LET_THROUGH

    def _at_refusal(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        seen = asides.refusal(text, at, final=final)
        if isinstance(seen, Aside):
            passed.pieces.append(Piece(Kind.REFUSED, seen.word))
            return seen.end
        return _Step.STAY if seen is WAIT else _Step.LET_THROUGH

    def _at_fence(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        """A fence that holds nothing but a call may be one; any other is code."""
        run = asides.run_at(text, at)
        if asides.run_goes_on(text, at) and not final:
            return _Step.STAY
        if self._place.inert or len(run) < 3 or self._mode is Mode.BLOCK or self._place.introduced:
            return _Step.LET_THROUGH
        seen = asides.call_fence(text, at, final=final)
        if not isinstance(seen, Aside) or text[seen.end] not in "<＜{[":
            return _Step.STAY if seen is WAIT else _Step.LET_THROUGH
        inside = self._markers.at(text, seen.end, final=final)
        passed.fenced = inside is Found.CALL
        return _STEPS[inside]

    def _at_stop(self, text: str, at: int, passed: Passed, final: bool) -> tuple[int, bool]:
        if text[at] == "`":
            waits = asides.run_goes_on(text, at) and not final
            return self._act(_Step.STAY if waits else _Step.LET_THROUGH, text, at, passed)
        return self._act(self._at_tag(text, at, passed, final), text, at, passed)

    def _at_tag(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        comment = text[at : at + 4]
        if "<!--".startswith(comment):
            if comment == "<!--":
                self._pass(comment, passed)
                return at + 4
            if not final:
                return _Step.STAY
        if self._place.inert:
            self._place.quote()
            return _Step.LET_THROUGH
        for look in (self._at_thinking, self._at_block):
            if (seen := look(text, at, passed, final)) is not None:
                return seen
        if self._mode is Mode.BLOCK:
            return _Step.LET_THROUGH
        if (closer := self._at_closer(text, at, final)) is not None:
            return closer
        return self._decide(self._markers.at(text, at, final=final))

    def _at_thinking(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int | None:
        """Thinking begins with a tag at the start of a line; its closing tag is never shown."""
        seen = asides.thinking_tag(text, at, final=final)
        if not isinstance(seen, Aside):
            return _Step.STAY if seen is WAIT else None
        if seen.closing:
            return seen.end
        if not self._place.at_line_start:
            return None
        self._mode = Mode.THINKING
        return seen.end

    def _at_block(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int | None:
        """Enter or leave a block. One of invented results, behind a call, ends what counts (toolcalls.md 7.5)."""
        seen = asides.block_tag(text, at, final=final)
        if not isinstance(seen, Aside):
            return _Step.STAY if seen is WAIT else None
        if seen.word in asides.QUOTES and self._catalogue.resolve(seen.word) is not None:
            return None  # a tool may have such a name
        if not seen.closing and self._line_start():
            if self._called and seen.word in asides.RESULTS:
                self._mode = Mode.CUT
                self.trail.hide(text[seen.end :])
                return len(text)
            if self._mode is Mode.PROSE:
                self._mode, self._block = Mode.BLOCK, seen.word
        elif seen.closing and seen.word == self._block:
            self._mode, self._block = Mode.PROSE, ""
        self._pass(text[at : seen.end], passed)
        return seen.end

    def _at_closer(self, text: str, at: int, final: bool) -> _Step | int | None:
        """A closer that nothing opened: dropped directly behind a call, let through elsewhere."""
        if self._after_call and not final and PARTIAL_NAMESPACE.match(text, at):
            return _Step.STAY
        tag = tag_at(text, at)
        if tag is None:
            half = len(text) - at < _LONGEST_CLOSER and text[at:].strip(" \t<＜/／") == ""
            return _Step.STAY if half and not final else None
        if not tag.closing:
            return None
        starts = any(word.startswith(tag.word.casefold()) for word in self._closers)
        if starts and tag.end == len(text) and not tag.closed and tag.plain:
            return _Step.STAY if not final else len(text) if self._after_call else None
        if self._after_call and tag.word.casefold() in self._closers and tag.closed:
            self.trail.drop(tag.word)
            return tag.end
        return _Step.LET_THROUGH

    def _pass(self, text: str, passed: Passed) -> None:
        if not text:
            return
        in_span = self._place.code is Code.SPAN
        if in_span and (end := _SPAN_END.search(text)) is not None and end.end() < len(text):
            self._pass(text[: end.end()], passed)
            return self._pass(text[end.end() :], passed)
        if self._after_call and not text.isspace():
            self._after_call = False
        if not in_span:
            self.trail.add(text)
        self._place.feed(text)
        passed.pieces.append(Piece(Kind.TEXT, text))
