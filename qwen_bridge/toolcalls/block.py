"""The parameters of one call in tag form: `<parameter=KEY>…`, `<parameter name="KEY">…`, `<KEY>…`.

A value is raw. It ends at the close tag of its own parameter that a real boundary follows: another declared
parameter that was not given yet, the close of the call, or the end of the text. Tags of the same sort inside it are
counted, so that a body may quote a whole call. Where no close tag has a boundary, or where what looks like data could
be a parameter whose opener was lost, the block says so in its flaws; it never picks one of two readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from qwen_bridge.toolcalls.catalogue import Tool, fold
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, NAMESPACE, PARAMETERS, WRAPPERS, Tag, after_space, tag_at

_KEY = re.compile(r"""^\s*(?:=|name\s*=|\s)\s*["'“”]?(?P<key>[^"'“”=:/]*[^"'“”=:/\s])["'“”]?(?P<tail>.*)$""", re.DOTALL)
_FUSED = re.compile(r"""^\s*[=:]\s*["']?(?P<value>.*?)["']?\s*$""", re.DOTALL)
_NAMELESS = re.compile(r"\s*(?P<key>[^<>\n]{1,80}?)\s*(?:[<＜]\s*/\s*(?:parameter|name)[^<>\n]{0,12}>|(?=\n))")
_ALL_CLOSED = re.compile(rf"\s*(?:[<＜]\s*[/／]\s*(?P<word>{'|'.join(ARGUMENTS)})\s*[>＞]|\}}|\]\]>)")
_CDATA_END = re.compile(r"\]\]>")
_VALUE_END = re.compile(r"[<＜]\s*[/／]\s*value\s*[>＞]")
_VALUE_OPENER = re.compile(r"\s*[<＜]value[>＞]")
_ASSIGNED = re.compile(r"\s*(?P<key>[^\W\d][\w\-]*)[ \t]*[=:][ \t]*")
_NAMED_INSIDE = re.compile(r"\s*<(?:name|key)>\s*(?P<key>[^<>\n]{1,80}?)\s*</(?:name|key)>\s*")


class Next(Enum):
    """What stands behind a close tag."""

    DATA = "data"
    PARAMETER = "parameter"
    CALL_END = "call end"
    CALL_END_THEN_TEXT = "call end, then text"
    TEXT_END = "text end"
    SAME_CLOSER = "the same closer again"


@dataclass(frozen=True, slots=True)
class Opener:
    """An opened parameter. `word` is None for `<parameter=…>`, else the tag's own word; `value` a fused value."""

    key: str
    declared: bool
    at: int
    end: int
    word: str | None
    value: str | None = None
    repair: str = ""


@dataclass(slots=True)
class Block:
    """What was read: key → values in their order, where it ended, and what was wrong."""

    end: int
    values: list[tuple[str, str]] = field(default_factory=list)
    flaws: set[Flaw] = field(default_factory=set)
    repairs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _End:
    """Where a value ends (`start`) and where reading goes on (`after`)."""

    start: int
    after: int
    flaw: Flaw | None = None
    repair: str = ""


class BlockReader:
    """Reads the parameters of `tool` from `text`. `wrapped` says that a wrapper was opened before the call."""

    __slots__ = ("_block", "_closers", "_text", "_tool", "_wrapped")

    def __init__(self, text: str, tool: Tool, *, wrapped: bool, closers: frozenset[str] = frozenset()) -> None:
        self._text = text
        self._tool = tool
        self._wrapped = wrapped
        self._closers = closers | {tool.name} | CALLS | WRAPPERS
        self._block = Block(0)

    def read(self, at: int) -> Block:
        """Read parameters from `at` on; the block ends before what is no parameter."""
        self._block = block = Block(at)
        while (opener := self.opener(after_space(self._text, block.end))) is not None:
            if opener.repair:
                block.repairs.append(opener.repair)
            end = self._value_end(opener)
            value = self._text[opener.end : end.start] if opener.value is None else opener.value
            block.values.append((opener.key, value))
            block.end = end.after
            if end.flaw is not None:
                block.flaws.add(end.flaw)
            if end.repair:
                block.repairs.append(end.repair)
        return block

    def opener(self, at: int) -> Opener | None:
        """The parameter that opens at `at`, or None."""
        tag = tag_at(self._text, at)
        if tag is None or tag.closing:
            return None
        if tag.word.casefold() in PARAMETERS:
            return self._nameless(tag) if tag.plain else self._named(tag)
        if (key := self._tool.key(tag.word)) is not None or not self._tool.properties:
            if tag.word.casefold() in self._closers or not tag.closed:
                return None
            repair = "" if key in (None, tag.word) else "key.folded"
            if tag.rest.lstrip().startswith("="):
                fused = tag.rest.strip(" =\t").strip("\"'")
                return Opener(key or tag.word, key is not None, at, tag.end, tag.word, fused, "param.fused_value")
            value = tag.attributes().get("value", "") if tag.void else None
            return Opener(key or tag.word, key is not None, at, tag.end, tag.word, value, repair)
        return None

    def _named(self, tag: Tag) -> Opener | None:
        """`<parameter=KEY>`, with blanks, quotes or attributes, without `>`, or with the value fused into the tag."""
        found = _KEY.match(tag.rest)
        if found is None:
            return None
        written, tail = found["key"], found["tail"]
        key = self._tool.key(written)
        if key is None and (first := written.split()[0]) != written and self._tool.key(first) is not None:
            written, tail, key = first, found["key"][len(first) :] + tail, self._tool.key(first)
        repair = "" if key in (None, written) else "key.folded"
        if not tag.closed:
            return self._unfinished(tag, written)
        if key is not None and (fused := _FUSED.match(tail)) and fused["value"] and fused["value"][-1:] != "=":
            return Opener(key, True, tag.start, tag.end, None, fused["value"], "param.fused_value")
        attribute = tag.attributes().get("value") if tag.void else None
        value = (attribute or "") if tag.void else None
        return Opener(key or written, key is not None, tag.start, tag.end, None, value, repair)

    def _unfinished(self, tag: Tag, written: str) -> Opener | None:
        """The `>` is missing: the key is the longest declared one that the tag begins with."""
        for length in range(len(written), 0, -1):
            ends_word = length == len(written) or written[length].isspace()
            if ends_word and (key := self._tool.key(written[:length])) is not None:
                start = self._text.index(written, tag.start) + length
                start += self._text[start : start + 1] in " \t:="
                return Opener(key, True, tag.start, start, None, None, "param.bracket_missing")
        return None

    def _nameless(self, tag: Tag) -> Opener | None:
        """`<parameter>KEY</parameter>` or `<parameter>KEY` on a line of its own, before the value."""
        for pattern in (_NAMED_INSIDE, _NAMELESS, _ASSIGNED):
            if found := pattern.match(self._text, tag.end):
                key = self._tool.key(found["key"])
                inner = _VALUE_OPENER.match(self._text, found.end())
                if key is not None and inner is not None:
                    return Opener(key, True, tag.start, inner.end(), "value", None, "param.nameless")
                if key is not None:
                    return Opener(key, True, tag.start, found.end(), None, None, "param.nameless")
        return None

    def _value_end(self, opener: Opener) -> _End:
        if opener.value is not None:
            return self._void_end(opener)
        return self._delimited_end(opener) or _ValueScan(self, opener).end()

    def _delimited_end(self, opener: Opener) -> _End | None:
        """A value in CDATA, or in `<value>` behind a key, ends where its delimiter and then its own closer stand."""
        begin = after_space(self._text, opener.end)
        in_value = opener.word == "value" and opener.repair == "param.nameless"
        if not in_value and not self._text.startswith("<![CDATA[", begin):
            return None
        for found in (_VALUE_END if in_value else _CDATA_END).finditer(self._text, begin):
            tag = tag_at(self._text, after_space(self._text, found.end()))
            after = tag.end if tag is not None and tag.closing and self.closes(tag, opener) else found.end()
            if (after == found.end()) is in_value or in_value:
                if self.next_after(after, opener) in (Next.PARAMETER, Next.CALL_END, Next.TEXT_END):
                    return _End(found.start() if in_value else found.end(), after)
        return None

    def _void_end(self, opener: Opener) -> _End:
        """A self-closing or fused parameter may still have a closer behind it."""
        tag = tag_at(self._text, after_space(self._text, opener.end))
        if tag is not None and tag.closing and self.closes(tag, opener) and opener.repair:
            return _End(opener.end, tag.end)
        return _End(opener.end, opener.end)

    def closes(self, tag: Tag, opener: Opener) -> bool:
        """Whether a closing tag can be the closer of `opener`'s parameter; a mangled one counts."""
        word = tag.word.casefold()
        mangled = word.startswith("param") and word != "parameters"
        if opener.word is None:
            return mangled or tag.word == opener.key
        if opener.word == "value" and opener.repair:
            return mangled
        return tag.word == opener.word or (mangled and "parameters" not in self._tool.properties)

    def next_after(self, at: int, opener: Opener) -> Next:
        """What stands behind a close tag that ends at `at`."""
        at = self._over_closers_of_all(at)
        if at >= len(self._text):
            return Next.TEXT_END
        tag = tag_at(self._text, at)
        if tag is None:
            return Next.DATA
        if not tag.closing:
            return self._after_opener(tag, at, opener)
        if self.ends_call(tag):
            return self._after_call(tag)
        return Next.SAME_CLOSER if self.closes(tag, opener) else Next.DATA

    def _over_closers_of_all(self, at: int) -> int:
        """Go over what closes all arguments together: `</arguments>`, a brace, the end of CDATA."""
        while found := _ALL_CLOSED.match(self._text, at):
            if found["word"] and self._tool.key(found["word"]) is not None:
                break
            at = found.end()
        return after_space(self._text, at)

    def ends_call(self, tag: Tag) -> bool:
        return tag.word in self._closers or tag.word.casefold() in self._closers

    def _after_opener(self, tag: Tag, at: int, current: Opener) -> Next:
        if tag.word.casefold() in WRAPPERS | CALLS:
            return Next.CALL_END
        opener = self.opener(at)
        if opener is None or opener.key == current.key or not self._is_new(opener.key):
            return Next.PARAMETER if opener is not None and self._is_list(opener.key) else Next.DATA
        if opener.declared or not self._tool.properties:
            return Next.PARAMETER
        return Next.PARAMETER if self._closes_cleanly(opener) else Next.DATA

    def _after_call(self, tag: Tag) -> Next:
        """`</function>` inside a wrapper ends the call for sure only where the wrapper ends or a call begins."""
        if not self._wrapped or tag.word.casefold() in WRAPPERS:
            return Next.CALL_END
        at = after_space(self._text, tag.end)
        if at >= len(self._text) or self._text[at] in "{}":
            return Next.CALL_END
        following = tag_at(self._text, at)
        if following is not None and (following.word.casefold() in WRAPPERS | CALLS | {"think"}):
            return Next.CALL_END
        return Next.CALL_END if re.match(r"\w{0,5}>", self._text[at : at + 8]) else Next.CALL_END_THEN_TEXT

    def ends_for_sure(self, tag: Tag) -> bool:
        """Whether a call's closer is one beyond doubt: nothing follows it, or another tag of calls does."""
        at = after_space(self._text, tag.end)
        if at >= len(self._text) or self._text[at] in "{}":
            return True
        following = tag_at(self._text, at)
        return following is not None and self.ends_call(following)

    def _closes_cleanly(self, opener: Opener) -> bool:
        """Whether an undeclared parameter is one: its first closer is followed by a boundary."""
        for tag in self.tags(opener.end, opener):
            if tag.closing and self.closes(tag, opener):
                return self.next_after(tag.end, opener) not in (Next.DATA, Next.SAME_CLOSER)
            if not tag.closing or self.ends_call(tag):
                return False
        return False

    def _is_new(self, key: str) -> bool:
        return all(key != given for given, _ in self._block.values)

    def _is_list(self, key: str) -> bool:
        kind = self._tool.schema(key).get("type")
        return kind == "array" or (isinstance(kind, list) and "array" in kind)

    def is_free(self, key: str, opener: Opener) -> bool:
        """Whether `key` may still be given: not given, and not the parameter that is open."""
        return key != opener.key and self._is_new(key)

    def optional_left(self, opener: Opener) -> bool:
        """Whether another declared parameter could still come."""
        return any(self.is_free(key, opener) for key in self._tool.properties)

    def requires(self, key: str) -> bool:
        return key in self._tool.required

    def declares(self, word: str) -> bool:
        return self._tool.key(word) is not None

    def key(self, word: str) -> str:
        return self._tool.key(word) or word

    def tags(self, at: int, opener: Opener) -> Iterator[Tag]:
        """The tags from `at` on that can matter for the end of `opener`'s value."""
        words = {"param", "function", "invoke", self._tool.name, opener.key, *(WRAPPERS)}
        if opener.word is not None:
            words |= {opener.word, *self._tool.properties}
        alternatives = "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))
        pattern = re.compile(rf"[<＜][ \t]*[/／]?[ \t]*{NAMESPACE}(?:{alternatives})")
        for found in pattern.finditer(self._text, at):
            if (tag := tag_at(self._text, found.start())) is not None:
                yield tag

    @property
    def text(self) -> str:
        return self._text

    @property
    def tool_word(self) -> str:
        return fold(self._tool.name)


class _ValueScan:
    """One pass over the tags behind an opener, until its value's end is certain."""

    __slots__ = (
        "_calls", "_doubled_opener", "_inner", "_loose", "_lost", "_nested", "_opener", "_reader", "_rivals",
        "_unclosed", "_weak", "_wrappers",
    )  # fmt: skip

    def __init__(self, reader: BlockReader, opener: Opener) -> None:
        self._reader = reader
        self._opener = opener
        self._nested = 0  # parameters open inside the value
        self._calls = 0  # calls open inside the value
        self._wrappers = 0  # wrappers open inside the value
        self._doubled_opener = False  # the value begins with its own opener
        self._loose: Tag | None = None  # a call's closer with text behind it: data, unless nothing better comes
        self._inner = 0  # closers of our own sort that no boundary follows: data, or a sign of a lost opener
        self._lost = 0  # closers of another parameter that nothing opened: its opener was lost
        self._unclosed: Opener | None = None  # the first declared parameter that opens inside the value
        self._rivals: list[Tag] = []  # closers with a boundary behind them that the count says are not ours
        self._weak: Tag | None = None  # a closer behind which the call ends but its wrapper does not

    def end(self) -> _End:
        for tag in self._reader.tags(self._opener.end, self._opener):
            found = self._closing(tag) if tag.closing else self._opening(tag)
            if found is not None:
                return found
        return self._at_text_end()

    def _opening(self, tag: Tag) -> _End | None:
        word = tag.word.casefold()
        if word in WRAPPERS:
            self._wrappers += 1
            return None
        if (word in CALLS and not tag.plain) or fold(tag.word) == self._reader.tool_word:
            self._calls += 1
            return None
        opener = self._reader.opener(tag.start)
        if opener is None and word in PARAMETERS and tag.plain and self._is_closer_without_slash(tag):
            return self._own_closer(tag)
        if opener is None:
            self._nested += word in PARAMETERS and self._opener.word is None
            return None
        if opener.declared and self._unclosed is None and not self._inner and not self._calls and not self._nested:
            if self._reader.is_free(opener.key, self._opener):
                self._unclosed = opener
        if opener.key == self._opener.key and not self._reader.text[self._opener.end : tag.start].strip():
            self._doubled_opener = True
        same_sort = opener.word is None if self._opener.word is None else opener.word == self._opener.word
        self._nested += same_sort and opener.value is None
        return None

    def _is_closer_without_slash(self, tag: Tag) -> bool:
        """`<parameter>` alone where only a closer makes sense."""
        return self._reader.next_after(tag.end, self._opener) in (Next.PARAMETER, Next.CALL_END)

    def _closing(self, tag: Tag) -> _End | None:
        if self._reader.closes(tag, self._opener) and not self._is_rival_name(tag):
            return self._own_closer(tag)
        if self._reader.ends_call(tag) and tag.word.casefold() not in WRAPPERS:
            return self._call_closer(tag)
        if tag.word.casefold() in WRAPPERS:
            return self._wrapper_closer(tag)
        if self._reader.declares(tag.word) and self._unclosed is None and self._opener.word is not None:
            self._lost += self._reader.is_free(self._reader.key(tag.word), self._opener)
        return None

    def _is_rival_name(self, tag: Tag) -> bool:
        """`</KEY>` in the place of `</parameter>` counts only where a boundary follows."""
        if self._opener.word is not None or tag.word.casefold().startswith("param"):
            return False
        return self._reader.next_after(tag.end, self._opener) is Next.DATA

    def _own_closer(self, tag: Tag) -> _End | None:
        following = self._reader.next_after(tag.end, self._opener)
        if self._nested or self._calls:
            self._nested = max(0, self._nested - 1)
            if following in (Next.CALL_END, Next.TEXT_END, Next.PARAMETER):
                self._rivals.append(tag)
            return None
        if following is Next.SAME_CLOSER:
            return self._doubled(tag)
        if following is Next.DATA:
            self._inner += 1
            return None
        if following is Next.CALL_END_THEN_TEXT:
            self._weak = self._weak or tag
            self._inner += self._weak is not tag
            return None
        repair = "" if tag.closed and tag.plain and tag.word in (self._opener.word or "parameter") else "param.closer"
        return _End(tag.start, tag.end, self._doubt(), repair)

    def _doubled(self, tag: Tag) -> _End | None:
        """Two closers in a row: one too many, or the value ends with its own close tag. Nobody can tell."""
        again = tag_at(self._reader.text, after_space(self._reader.text, tag.end))
        if again is None or self._reader.next_after(again.end, self._opener) is Next.DATA:
            self._inner += 1
            return None
        return _End(tag.start, again.end, Flaw.CLOSER_DOUBLED)

    def _doubt(self) -> Flaw | None:
        """A closer inside that nothing opened may be what is left of a parameter whose opener was lost."""
        if self._opener.word is None and self._inner and self._reader.optional_left(self._opener):
            return Flaw.AMBIGUOUS
        return Flaw.AMBIGUOUS if self._lost else None

    def _wrapper_closer(self, tag: Tag) -> _End | None:
        if self._wrappers:
            self._wrappers -= 1
            return None
        return None if self._calls or self._nested else self._unclosed_end(tag)

    def _call_closer(self, tag: Tag) -> _End | None:
        if self._calls:
            self._calls -= 1
            return None
        if self._nested and not self._reader.ends_for_sure(tag):
            return None
        if self._weak is not None and not self._reader.text[self._weak.end : tag.start].strip():
            return None
        if self._reader.ends_for_sure(tag):
            return self._unclosed_end(tag)
        self._loose = self._loose or tag
        return None

    def _unclosed_end(self, tag: Tag) -> _End | None:
        """The call ends here, and the value was not closed: it ended at the next parameter, or ends here."""
        if self._unclosed is not None:
            return self._at_next_parameter(self._unclosed)
        if self._rivals and not self._reader.text[self._rivals[-1].end : tag.start].strip():
            last = self._rivals[-1]
            doubt = Flaw.AMBIGUOUS if self._inner or self._lost or self._doubled_opener else None
            return _End(last.start, last.end, doubt, "param.nested_unbalanced")
        if self._inner or self._lost:
            return _End(tag.start, tag.start, Flaw.AMBIGUOUS)
        return _End(tag.start, tag.start, Flaw.VALUE_UNCLOSED, "param.closer")

    def _at_next_parameter(self, opener: Opener) -> _End:
        line_start = self._reader.text.rfind("\n", 0, opener.at) + 1
        own_line = not self._reader.text[line_start : opener.at].strip() or line_start <= self._opener.end
        certain = own_line or self._reader.requires(opener.key)
        return _End(opener.at, opener.at, None if certain else Flaw.AMBIGUOUS, "param.closer")

    def _at_text_end(self) -> _End:
        size = len(self._reader.text)
        if self._weak is not None:
            flaw = Flaw.AMBIGUOUS if self._inner else None
            return _End(self._weak.start, self._weak.end, flaw)
        if self._rivals:
            last = self._rivals[-1]
            return _End(last.start, last.end, Flaw.AMBIGUOUS)
        if self._loose is not None:
            return _End(self._loose.start, self._loose.start, Flaw.AMBIGUOUS)
        return _End(size, size, Flaw.VALUE_OPEN)
