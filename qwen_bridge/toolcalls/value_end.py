"""Where a raw value ends: one pass over the tags behind its opener, until that is certain.

Tags of the same sort inside the value are counted, so that a body may quote a whole call. Where no closer has a
boundary, or where what looks like data could be a parameter whose opener was lost, the end carries a flaw; one of
two readings is never picked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qwen_bridge.toolcalls.boundaries import FIRM, Boundaries, Next
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.openers import Opener
from qwen_bridge.toolcalls.tags import NAMESPACE, PARAMETERS, WRAPPERS, Tag, after_space, tag_at

_INDENT = 200
"""Blanks before a tag on its line, at most, that are layout."""

_CDATA = "<![CDATA["
_CDATA_END = re.compile(r"\]\]>")
_CLOSERS_ONLY = re.compile(r"(?:\s*[<＜]\s*[/／][^<>＜＞]*[>＞])*\s*")
_STRANGE_CLOSER = re.compile(
    rf"[<＜\[{{(]\s*[/／\\]{{1,3}}\s*{NAMESPACE}(?P<word>[\w:.\-]*)[^<>\n]{{0,20}}[>＞\]}})]\Z"
)
_HALF_CLOSER = re.compile(rf"\s*[<＜][ \t]*(?:[/／][ \t]*{NAMESPACE}(?P<word>[\w.\-]*))?\s*\Z")
_LOST_BRACKET = re.compile(rf"(?:[/／]?{NAMESPACE}(?P<word>[\w.\-]+)[>＞]|\n[ \t]*[/／](?P<bare>[\w.\-]+))\Z")
_ELEMENT_END = re.compile(r"</(?P<word>[\w.\-]+)>\s*\Z")
_VALUE_OPENER = re.compile(r"[<＜]\s*value\s*[>＞]")
_VALUE_END = re.compile(r"[<＜]\s*[/／]\s*value\s*[>＞]")


@dataclass(frozen=True, slots=True)
class End:
    """The value ends at `start`, reading goes on at `after`."""

    start: int
    after: int
    flaw: Flaw | None = None
    repair: str = ""


def value_end(bounds: Boundaries, opener: Opener) -> End:
    """Where the value behind `opener` ends."""
    if opener.value is not None:
        return _fused_end(bounds, opener)
    if opener.in_value:
        return _value_tag_end(bounds, opener)
    return _cdata_end(bounds, opener) or _Scan(bounds, opener).end()


def _fused_end(bounds: Boundaries, opener: Opener) -> End:
    """A parameter whose tag held the value may still have a closer behind it."""
    closer = _closer_at(bounds, opener.end, opener) if opener.repair else None
    return End(opener.end, closer.end if closer is not None else opener.end)


def _value_tag_end(bounds: Boundaries, opener: Opener) -> End:
    """`<value>…</value>`, with or without the parameter's closer behind it."""
    for found in _VALUE_END.finditer(bounds.text, opener.end):
        closer = _closer_at(bounds, found.end(), opener)
        after = closer.end if closer is not None else found.end()
        if bounds.after(after, opener) in FIRM:
            swallowed = _VALUE_OPENER.search(bounds.text, opener.end, found.start()) is not None
            return End(found.start(), after, Flaw.AMBIGUOUS if swallowed else None)
    return End(len(bounds.text), len(bounds.text), Flaw.VALUE_OPEN)


def _cdata_end(bounds: Boundaries, opener: Opener) -> End | None:
    """A value that begins with CDATA ends where `]]>` and then the parameter's own closer stand."""
    begin = after_space(bounds.text, opener.end)
    if not bounds.text.startswith(_CDATA, begin):
        return None
    for found in _CDATA_END.finditer(bounds.text, begin):
        closer = _closer_at(bounds, found.end(), opener)
        if closer is not None and bounds.after(closer.end, opener) in FIRM:
            return End(closer.start, closer.end)
    return None


def _closer_at(bounds: Boundaries, at: int, opener: Opener) -> Tag | None:
    tag = tag_at(bounds.text, after_space(bounds.text, at))
    return tag if tag is not None and tag.closing and bounds.closes(tag, opener) else None


class _Scan:
    """The pass itself. The counters say what is open inside the value."""

    __slots__ = (
        "_begin", "_bounds", "_calls", "_doubled_opener", "_foreign", "_inner", "_loose", "_lost", "_nested", "_opener",
        "_rivals", "_swallows", "_unclosed", "_weak", "_wrappers",
    )  # fmt: skip

    def __init__(self, bounds: Boundaries, opener: Opener) -> None:
        self._bounds = bounds
        self._opener = opener
        self._begin = after_space(bounds.text, opener.end)  # where something stands in the value
        self._nested = 0  # parameters open inside the value
        self._foreign = 0  # `<parameter …>` open inside a value of the other sort, in a tag of its own
        self._calls = 0  # calls open inside the value
        self._wrappers = 0  # wrappers open inside the value
        self._inner = 0  # closers of our own sort that no boundary follows: data, or a sign of a lost opener
        self._lost = 0  # closers of another parameter that nothing opened: its opener was lost
        self._doubled_opener = False  # the value begins with its own opener
        self._unclosed: Opener | None = None  # the first declared parameter that opens inside the value
        self._swallows = False  # a declared parameter that could still come opens inside of something else
        self._rivals: list[Tag] = []  # closers with a boundary behind them that the count says are not ours
        self._weak: Tag | None = None  # a closer behind which the call ends but its wrapper does not
        self._loose: Tag | None = None  # a call's closer with text behind it: data, unless nothing better comes

    def end(self) -> End:
        for tag in self._bounds.tags(self._opener.end, self._opener):
            found = self._closing(tag) if tag.closing else self._opening(tag)
            if found is not None:
                return found
        return self._at_text_end()

    def _opening(self, tag: Tag) -> End | None:
        word = tag.word.casefold()
        if word in WRAPPERS:
            self._wrappers += self._bounds.is_structure(tag)
        elif self._bounds.opens_call(tag):
            self._calls += 1
        elif (inner := self._bounds.opener(tag.start)) is not None:
            self._parameter_inside(inner)
        elif word in PARAMETERS and self._opener.word is None:
            if tag.plain and self._bounds.after(tag.end, self._opener) in (Next.PARAMETER, Next.CALL_END):
                return self._own_closer(tag)  # `<parameter>` where only a closer makes sense: its slash was lost
            self._nested += 1
            self._lost += tag.plain and self._opener.repair == "param.nameless"  # its like, without a name
        return None

    def _parameter_inside(self, inner: Opener) -> None:
        first = self._unclosed is None and not (self._inner or self._calls or self._nested or self._rivals)
        if inner.declared and self._bounds.is_free(inner.key, self._opener):
            self._unclosed = inner if first else self._unclosed
            self._swallows = self._swallows or not first
        if inner.key == self._opener.key and self._begin >= inner.at:
            self._doubled_opener = True
        same_sort = inner.word == self._opener.word
        self._nested += same_sort and inner.value is None
        self._foreign += not same_sort and inner.word is None and inner.value is None

    def _closing(self, tag: Tag) -> End | None:
        if self._foreign and tag.word.casefold() in PARAMETERS:
            self._foreign -= 1
            return None
        if self._bounds.closes(tag, self._opener) and not self._is_key_as_data(tag):
            return self._own_closer(tag)
        if tag.word.casefold() in WRAPPERS:
            return self._wrapper_closer(tag)
        if self._bounds.ends_call(tag):
            return self._call_closer(tag)
        if self._opener.word is not None and self._unclosed is None:
            self._lost += self._bounds.is_lost(tag, self._opener)
        return None

    def _is_key_as_data(self, tag: Tag) -> bool:
        """`</KEY>` in the place of `</parameter>` counts only where a boundary follows."""
        if self._opener.word is not None or tag.word.casefold().startswith("param"):
            return False
        return self._bounds.after(tag.end, self._opener) is Next.DATA

    def _own_closer(self, tag: Tag) -> End | None:
        following = self._bounds.after(tag.end, self._opener)
        if following is Next.TEXT_END and not tag.closed:
            return None  # the text ends inside what may be a closer
        if self._nested or self._calls:
            same_sort = self._opener.word is not None or tag.word.casefold().startswith("param")
            self._nested = max(0, self._nested - same_sort)  # `</KEY>` closes no `<parameter=…>`
            if following in FIRM:
                self._rivals.append(tag)
            return None
        if following is Next.SAME_CLOSER:
            return self._doubled(tag)
        regular = tag.closed and tag.closing and tag.plain and tag.word == (self._opener.word or "parameter")
        if following is Next.CALL_END and not regular and self._bounds.opens_behind(tag.end):
            self._inner += 1  # a strange closer, and then another call: more likely a piece of the value
            return None
        if following in FIRM:
            after = tag.end + self._bounds.text.startswith(">", tag.end)  # `</parameter>>`
            return End(tag.start, after, self._doubt(tag.start), "" if regular else "param.closer")
        if following is Next.CALL_END_THEN_TEXT and self._weak is None:
            self._weak = tag
        else:
            self._inner += 1
        return None

    def _doubled(self, tag: Tag) -> End | None:
        """Two closers in a row: one too many, or the value ends with its own closer. Nobody can tell."""
        again = tag_at(self._bounds.text, after_space(self._bounds.text, tag.end))
        if again is None or self._bounds.after(again.end, self._opener) not in FIRM:
            self._inner += 1
            return None
        return End(tag.start, again.end, Flaw.CLOSER_DOUBLED)

    def _doubt(self, end: int) -> Flaw | None:
        """A closer inside that nothing opened may be what is left of a parameter whose opener was lost."""
        if self._lost or (self._opener.word is None and self._inner and self._bounds.any_free(self._opener)):
            return Flaw.AMBIGUOUS
        if self._doubled_opener and (self._inner or self._rivals):
            return Flaw.AMBIGUOUS
        if self._bounds.text.startswith((">", "＞"), self._opener.end) or self._bounds.text[end - 1] in "<＜":
            return Flaw.AMBIGUOUS  # a bracket too many, or the first or last character of the value
        return None

    def _wrapper_closer(self, tag: Tag) -> End | None:
        if self._wrappers:
            self._wrappers -= 1
            return None
        if self._calls or self._nested:
            return None
        if self._bounds.goes_on_behind(tag) or _closer_at(self._bounds, tag.end, self._opener) is not None:
            self._loose = self._loose or tag
            return None
        return self._call_end(tag)

    def _call_closer(self, tag: Tag) -> End | None:
        if self._calls:
            self._calls -= 1
            return None
        sure = self._bounds.ends_for_sure(tag)
        follows_weak = self._weak is not None and not self._bounds.text[self._weak.end : tag.start].strip()
        if follows_weak or (self._nested and not sure):
            return None
        if sure:
            return self._call_end(tag)
        self._loose = self._loose or tag
        return None

    def _call_end(self, tag: Tag) -> End:
        """The call ends here, and the value was not closed: it ended at the next parameter, or ends here."""
        if self._unclosed is not None:
            return self._at_next_parameter(self._unclosed)
        if self._weak is not None:
            return End(self._weak.start, self._weak.end, Flaw.AMBIGUOUS)
        if self._rivals:
            last = self._rivals[-1]
            alone = _CLOSERS_ONLY.fullmatch(self._bounds.text, last.end, tag.start) is not None
            doubtful = bool(self._inner or self._lost) or self._doubled_opener or not alone
            doubtful = doubtful or len(self._rivals) > 1 or self._swallows or not self._bounds.has_schema
            return End(last.start, last.end, Flaw.AMBIGUOUS if doubtful else None, "param.nested_unbalanced")
        if self._inner or self._lost:
            return End(tag.start, tag.start, Flaw.AMBIGUOUS)
        strange = self._doubled_opener or self._ends_in_strange_closer(tag.start) or self._ends_in_loose(tag.start)
        empty = not self._bounds.text[self._opener.end : tag.start].strip()
        strange = strange or empty or not self._bounds.has_schema or self._ends_in_element(tag.start)
        doubt = Flaw.AMBIGUOUS if strange else Flaw.VALUE_UNCLOSED
        return End(self._without_layout(tag.start), tag.start, doubt, "param.closer")

    def _ends_in_loose(self, at: int) -> bool:
        """Whether nothing but brackets stands between a closer of the call that was passed over and the one at `at`."""
        return self._loose is not None and not self._bounds.text[self._loose.end : at].strip("<>＜＞ \t\r\n")

    def _ends_in_strange_closer(self, at: int) -> bool:
        """Whether the value ends with a closer of something that it did not open: its own, in other words?"""
        value = self._bounds.text[self._opener.end : at].rstrip()
        near = max(0, len(value) - 100)
        found = _STRANGE_CLOSER.search(value, near)
        if found is not None:
            return (f"<{found['word']}" if found["word"] else "<>") not in value
        lost = _LOST_BRACKET.search(value, near)  # `/parameter>` and `parameter>`
        word = lost and (lost["word"] or lost["bare"])
        return bool(word) and word in (self._opener.word, self._opener.key, *PARAMETERS)

    def _ends_in_element(self, at: int) -> bool:
        """Whether the unclosed value ends in a parameter: declared, or nothing else that stands on lines of its own."""
        value = self._bounds.text[self._opener.end : at]
        found = _ELEMENT_END.search(value, max(0, len(value) - 100))
        if found is None:
            return False
        if self._bounds.may_come(found["word"], self._opener) and f"<{found['word']}>" in value:
            return True
        begin = value.rfind(f"\n<{found['word']}>", 0, found.start())
        return begin >= 0 and not value[:begin].isspace() and bool(value[:begin])

    def _without_layout(self, at: int) -> int:
        """The end of an unclosed value: the line that its closer should have stood on is none of it."""
        for newline in ("\r\n", "\n"):
            if self._bounds.text.endswith(newline * 2, self._opener.end, at):
                return at - len(newline)
        return at

    def _at_next_parameter(self, opener: Opener) -> End:
        """Sure only where the next parameter is one: on a line of its own, or required and not given."""
        line = self._bounds.text.rfind("\n", 0, opener.at) + 1
        own_line = not self._bounds.text[line : opener.at].strip() or line <= self._opener.end
        certain = (own_line or self._bounds.requires(opener.key)) and not self._doubled_opener
        certain = certain and not self._ends_in_strange_closer(opener.at)
        certain = certain and not self._inner  # our own closer came later: the next parameter may be a piece of it
        start = self._without_layout(self._line_of(opener.at))
        return End(start, opener.at, None if certain else Flaw.AMBIGUOUS, "param.closer")

    def _line_of(self, at: int) -> int:
        """Where the line of the next parameter begins, if only blanks stand before it there."""
        near = max(self._opener.end, at - _INDENT)
        line = near + len(self._bounds.text[near:at].rstrip(" \t"))
        return line if self._bounds.text.endswith("\n", self._opener.end, line) else at

    def _at_text_end(self) -> End:
        size = len(self._bounds.text)
        half = _HALF_CLOSER.search(self._bounds.text, max(self._opener.end, size - 100))
        end = half.start() if half and (self._opener.word or "parameter").startswith(half["word"] or "") else size
        if self._weak is not None:
            return End(self._weak.start, self._weak.end, Flaw.AMBIGUOUS if self._inner else None)
        if self._rivals:
            return End(self._rivals[-1].start, self._rivals[-1].end, Flaw.AMBIGUOUS)
        if self._loose is not None:
            return End(self._loose.start, self._loose.start, Flaw.AMBIGUOUS)
        closed = self._inner or self._nested or self._ends_in_strange_closer(size)
        return End(end, size, Flaw.AMBIGUOUS if closed else Flaw.VALUE_OPEN)
