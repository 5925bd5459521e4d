"""Prose goes through at once; at an opener it stops.

The gate holds back only the longest suffix that can still become an opener, a fence, an inline thinking tag, or the
site's own refusal line. It gives pieces of text, of thinking, and flags, and at an opener the text from there on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.markers import Found, Markers
from qwen_bridge.toolcalls.place import Code, Place
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, WRAPPERS, tag_at

CALL_FENCES = frozenset(("", "json", "tool_call", "tool_calls", "toolcall", "tool", "tool_code", "function", "xml"))
"""Info strings of a fence that may hold a call. A fence in a programming language is code."""

RESULTS = frozenset(
    "tool_response tool_responses tool_result tool_results function_result function_results result output observation"
    .split()
)
"""Blocks in which a model invents what a tool returned: nothing in them is a call."""

_STOP = re.compile(r"[<＜`\n]")
_BLANKS = re.compile(r"[ \t]*")
_LINE_MARK = re.compile(r"[{\[fT*`~&]")
_BOLD = re.compile(r"\*{1,3}(?=[<＜])")
_FENCE = re.compile(r"(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)\n\s*")
_PARTIAL_FENCE = re.compile(r"(?:`{3,}|~{3,})[^\n`]*(?:\n\s*)?\Z")
_THINK = re.compile(r"<(?P<slash>/?)think(?:ing)?>")
_THINK_WORDS = ("<think>", "</think>", "<thinking>", "</thinking>")
_REFUSAL = re.compile(r"Tool (?P<name>\S{1,160}) does not exists?\.")
_PARTIAL_REFUSAL = re.compile(r"T(?:o(?:o(?:l(?: (?:\S{1,160}(?: (?:d(?:o(?:e(?:s(?: [a-z ]*)?)?)?)?)?)?)?)?)?)?)?\Z")
_ESCAPED = re.compile(r"&lt;(?P<word>[\w.\-]+)&gt;")
_PARTIAL_ESCAPED = re.compile(r"&(?:l(?:t(?:;(?:[\w.\-]*(?:&(?:g(?:t)?)?)?)?)?)?)?\Z")


class Kind(Enum):
    """What a piece is. `REFUSED` carries the tool's name in the site's "Tool X does not exists."."""

    TEXT = "text"
    THINKING = "thinking"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Piece:
    kind: Kind
    text: str


@dataclass(slots=True)
class Passed:
    """What came out of one step. `call` is the text from an opener on; None while there is none."""

    pieces: list[Piece] = field(default_factory=list)
    call: str | None = None
    fenced: bool = False


class _Step(Enum):
    """What to do at a stop."""

    PASS = "let one character through"
    WAIT = "more text is needed"
    CALL = "a call begins"


class Mode(Enum):
    """The one state of the gate."""

    PROSE = "prose"
    THINKING = "inside inline thinking tags"
    RESULT = "inside an invented result"
    CUT = "behind the end of what counts"


class Gate:
    """Feed text in any pieces; the outcome does not depend on them."""

    __slots__ = ("_after_call", "_called", "_catalogue", "_dangling", "_held", "_markers", "_mode", "_place", "_result_word")

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._markers = Markers(catalogue)
        self._place = Place()
        self._mode = Mode.PROSE
        self._held = ""
        self._after_call = False  # nothing but blanks and closers came since a call
        self._called = False  # there was a call
        self._result_word = ""
        self._dangling: set[str] = set()

    @property
    def dangling(self) -> frozenset[str]:
        """Words of closing tags that came after the last call although nothing was open."""
        return frozenset(self._dangling)

    def resume(self) -> None:
        """A call has just ended: stray closers and blanks that follow belong to it."""
        self._after_call = self._called = True
        self._dangling.clear()

    def cut(self) -> None:
        """Nothing that follows counts: it is neither text nor call."""
        self._mode = Mode.CUT

    def skip(self, text: str, passed: Passed) -> str:
        """What stands at the start of `text` is no call: let its first mark through, and return the rest."""
        end = len(_run(text, 0))
        self._pass(text[:end], passed)
        return text[end:]

    def feed(self, text: str, *, final: bool = False) -> Passed:
        """Take text. When a call begins, the gate has taken nothing from there on."""
        text, self._held = self._held + text, ""
        passed = Passed()
        if self._mode is Mode.CUT:
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
        found = re.compile(r"</think(?:ing)?>").search(text, at)
        if found is not None:
            passed.pieces.append(Piece(Kind.THINKING, text[at : found.start()]))
            self._mode = Mode.PROSE
            return found.end(), False
        keep = 0 if final else _longest_suffix(text[at:], ("</think>", "</thinking>"))
        passed.pieces.append(Piece(Kind.THINKING, text[at : len(text) - keep]))
        return len(text) - keep, True

    def _prose(self, text: str, at: int, passed: Passed, final: bool) -> tuple[int, bool]:
        """Go to the next stop and decide there."""
        if self._line_start():
            start = _BLANKS.match(text, at)
            begin = start.end() if start else at
            if begin >= len(text) and not final:
                return at, True
            if begin < len(text) and _LINE_MARK.match(text, begin):
                return self._act(self._at_line_mark(text, begin, passed, final), text, at, begin, passed)
        found = _STOP.search(text, at)
        if found is None:
            self._pass(text[at:], passed)
            return len(text), False
        if found.start() > at:
            self._pass(text[at : found.start()], passed)
            return found.start(), False
        return self._at_stop(text, at, passed, final)

    def _line_start(self) -> bool:
        return self._place.at_line_start or self._after_call

    def _act(self, step: _Step | int, text: str, at: int, begin: int, passed: Passed) -> tuple[int, bool]:
        """Carry out what was decided at `begin`; an int says that the text up to there was consumed."""
        if isinstance(step, int):
            return step, False
        if step is _Step.WAIT:
            return at, True
        if step is _Step.CALL:
            self._pass(text[at:begin], passed)
            passed.call = text[begin:]
            return len(text), False
        end = begin + len(_run(text, begin))
        self._pass(text[at:end], passed)
        return end, False

    def _at_line_mark(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        """A character that matters at the start of a line only."""
        mark = text[at]
        if mark in "`~":
            return self._at_fence(text, at, passed, final)
        if mark == "T":
            return self._at_refusal(text, at, passed, final)
        if self._place.inert or self._mode is Mode.RESULT:
            return _Step.PASS
        if mark == "*":
            return self._at_bold(text, at, final)
        if mark == "&":
            return self._at_escaped(text, at, final)
        return self._decide(self._markers.at(text, at, final=final))

    def _decide(self, found: Found) -> _Step:
        if found is Found.PARTIAL:
            return _Step.WAIT
        if found is Found.NOTHING:
            return _Step.PASS
        if self._place.introduced and not self._after_call:
            self._place.example = True
            return _Step.PASS
        return _Step.CALL

    def _at_bold(self, text: str, at: int, final: bool) -> _Step:
        found = _BOLD.match(text, at)
        if found is not None:
            return self._decide(self._markers.at(text, found.end(), final=final))
        return _Step.WAIT if not final and not text[at:].strip("*") and len(text) - at < 4 else _Step.PASS

    def _at_escaped(self, text: str, at: int, final: bool) -> _Step:
        """A call whose every bracket is an entity: only where a whole tool tag stands at the start of a line."""
        found = _ESCAPED.match(text, at)
        if found is None:
            return _Step.WAIT if not final and _PARTIAL_ESCAPED.match(text, at) else _Step.PASS
        return _Step.CALL if self._catalogue.resolve(found["word"]) is not None else _Step.PASS

    def _at_refusal(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        found = _REFUSAL.match(text, at)
        if found is not None:
            passed.pieces.append(Piece(Kind.REFUSED, found["name"]))
            return found.end()
        return _Step.WAIT if not final and _PARTIAL_REFUSAL.match(text, at) else _Step.PASS

    def _at_fence(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        """A fence that holds nothing but a call may be one; any other is code."""
        run = _run(text, at)
        if at + len(run) == len(text) and not final:
            return _Step.WAIT
        if self._place.inert or len(run) < 3 or self._mode is Mode.RESULT:
            return _Step.PASS
        found = _FENCE.match(text, at)
        if found is None or (found.end() == len(text) and not final):
            partial = _PARTIAL_FENCE.match(text, at) and len(text) - at < 80
            return _Step.WAIT if partial and not final else _Step.PASS
        if found["info"].strip().casefold() not in CALL_FENCES or self._place.introduced:
            return _Step.PASS
        if found.end() == len(text) or text[found.end()] not in "<＜{[":
            return _Step.PASS
        inside = self._markers.at(text, found.end(), final=final)
        passed.fenced = inside is Found.CALL
        return _Step.WAIT if inside is Found.PARTIAL else _Step.CALL if inside is Found.CALL else _Step.PASS

    def _at_stop(self, text: str, at: int, passed: Passed, final: bool) -> tuple[int, bool]:
        if text[at] == "\n":
            self._pass("\n", passed)
            return at + 1, False
        if text[at] == "`":
            waits = at + len(_run(text, at)) == len(text) and not final
            return self._act(_Step.WAIT if waits else _Step.PASS, text, at, at, passed)
        return self._act(self._at_tag(text, at, passed, final), text, at, at, passed)

    def _at_tag(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int:
        comment = text[at : at + 4]
        if "<!--".startswith(comment):
            if comment == "<!--":
                self._pass(comment, passed)
                return at + 4
            if not final:
                return _Step.WAIT
        if self._place.inert:
            return self._note_closer(text, at, final)
        if (thinking := self._at_thinking(text, at, final)) is not None:
            return thinking
        if (result := self._at_result(text, at, passed, final)) is not None:
            return result
        if self._mode is Mode.RESULT:
            return _Step.PASS
        if (closer := self._at_closer(text, at, final)) is not None:
            return closer
        return self._decide(self._markers.at(text, at, final=final))

    def _at_thinking(self, text: str, at: int, final: bool) -> _Step | int | None:
        found = _THINK.match(text, at)
        if found is not None:
            if found["slash"]:
                return found.end()
            if self._place.at_line_start:
                self._mode = Mode.THINKING
                return found.end()
            return None
        partial = any(word.startswith(text[at:]) for word in _THINK_WORDS)
        return _Step.WAIT if partial and not final else None

    def _at_result(self, text: str, at: int, passed: Passed, final: bool) -> _Step | int | None:
        """Enter or leave a block of invented results."""
        tag = tag_at(text, at)
        if tag is None or tag.end == len(text) and not tag.closed:
            partial = tag is not None and any(word.startswith(tag.word) for word in RESULTS) and not tag.rest.strip()
            return _Step.WAIT if partial and not final else None
        if tag.word not in RESULTS or not tag.plain:
            return None
        if not tag.closing and self._called and self._line_start():
            self._mode = Mode.CUT
            return len(text)
        if not tag.closing and self._mode is Mode.PROSE and self._line_start():
            self._mode, self._result_word = Mode.RESULT, tag.word
        elif tag.closing and self._mode is Mode.RESULT and tag.word == self._result_word:
            self._mode = Mode.PROSE
        self._pass(text[at : tag.end], passed)
        return tag.end

    def _at_closer(self, text: str, at: int, final: bool) -> _Step | int | None:
        """A closer that nothing opened: dropped behind a call, noted elsewhere."""
        tag = tag_at(text, at)
        if tag is None:
            half = re.compile(r"[<＜]\s*[/／]\s*\Z").match(text, at)
            return _Step.WAIT if half and not final else None
        if not tag.closing:
            return None
        known = WRAPPERS | CALLS | ARGUMENTS | {"parameter"}
        if tag.end == len(text) and not tag.closed:
            partial = any(word.startswith(tag.word.casefold()) for word in known) and not tag.rest
            return _Step.WAIT if partial and not final else (len(text) if partial and self._after_call else None)
        if self._after_call and tag.word.casefold() in known:
            return tag.end
        return self._note_closer(text, at, final)

    def _note_closer(self, text: str, at: int, final: bool) -> _Step:
        tag = tag_at(text, at)
        if tag is not None and tag.end == len(text) and not tag.closed and not final and len(text) - at < 80:
            return _Step.WAIT
        if tag is not None and tag.closing and self._place.code is not Code.SPAN:
            self._dangling.add(tag.word)
        return _Step.PASS

    def _pass(self, text: str, passed: Passed) -> None:
        if not text:
            return
        if self._after_call and text.strip():
            self._after_call = False
        self._place.feed(text)
        passed.pieces.append(Piece(Kind.TEXT, text))


def _run(text: str, at: int) -> str:
    """The run of one and the same character at `at`, for backticks and tildes; else that character alone."""
    end = at + 1
    while text[at] in "`~*" and end < len(text) and text[end] == text[at]:
        end += 1
    return text[at:end]


def _longest_suffix(text: str, words: tuple[str, ...]) -> int:
    """Length of the longest end of `text` that is a start of one of `words`, and not all of it."""
    longest = max(len(word) for word in words) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-length:]) for word in words):
            return length
    return 0
