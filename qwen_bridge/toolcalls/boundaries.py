"""What stands behind a closing tag: only a real boundary makes it the end of a value.

A boundary is another declared parameter that was not given yet, the close of the call, or the end of the text. An
undeclared parameter is one only where it closes cleanly itself, so that a body may quote parameters of other tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache

from qwen_bridge.toolcalls.arguments import is_body, kinds
from qwen_bridge.toolcalls.catalogue import Tool, fold
from qwen_bridge.toolcalls.openers import Opener, read_opener
from qwen_bridge.toolcalls.tags import ARGUMENTS, CALLS, NAMESPACE, WRAPPERS, Tag, after_space, tag_at

NAMING = frozenset(("tool_name", "function_name", "funcname", "invoke_name", "name"))
"""Tags that name the tool of a next call."""

_ALL_CLOSED = re.compile(
    rf"\s*(?:[<＜]\s*[/／]\s*(?P<word>{'|'.join(sorted(ARGUMENTS))})\s*[>＞]|\}}|\]\]>|\*{{1,3}}(?=[<＜]))|>(?=\s*[<＜])"
)
_ON_THE_LINE = re.compile(r"[ \t]*[^\s<＜{}]")
_NAMESPACED_CLOSER = re.compile(r"(?:[<＜][ \t]*[/／][ \t]*[|｜]|＜[ \t]*[/／])[^<＜]{0,30}param")
_STYLE = re.compile(r"[<＜][^<>＞=\n]{0,40}\s\w+\s*=")
"""`<parameter name="KEY">`, not `<parameter=KEY>`."""
_TORN = re.compile(r"\w{0,5}>")


class Next(Enum):
    """What stands behind a closing tag."""

    DATA = "data"
    PARAMETER = "parameter"
    CALL_END = "call end"
    CALL_END_THEN_TEXT = "call end, then text"
    TEXT_END = "text end"
    SAME_CLOSER = "the same closer again"


FIRM = frozenset((Next.PARAMETER, Next.CALL_END, Next.TEXT_END))
"""Boundaries beyond doubt."""


class Boundaries:
    """Answers for one call of `tool` in `text`. `given` holds the keys that were read so far."""

    __slots__ = ("_closers", "_namespaced", "_tool", "_wrapped", "given", "text")

    def __init__(
        self, text: str, tool: Tool, *, wrapped: bool, closers: frozenset[str], namespaced: bool = False
    ) -> None:
        self.text = text
        self.given: list[str] = []
        self._tool = tool
        self._wrapped = wrapped
        self._namespaced = namespaced and _NAMESPACED_CLOSER.search(text) is not None
        self._closers = closers | {tool.name} | CALLS | WRAPPERS

    def opener(self, at: int) -> Opener | None:
        """The parameter that opens at `at`, or None."""
        return read_opener(self.text, at, self._tool, self._closers)

    def closes(self, tag: Tag, opener: Opener) -> bool:
        """Whether a closing tag can be the closer of `opener`'s parameter; a mangled one counts."""
        word = tag.word.casefold()
        mangled = word.startswith("param") and (opener.word is None or self._tool.key(tag.word) is None)
        if opener.word is None:
            return mangled or tag.word == opener.key
        return tag.word == opener.word or mangled

    def ends_call(self, tag: Tag) -> bool:
        """Whether a closing tag closes the call or its wrapper."""
        return tag.word in self._closers or tag.word.casefold() in self._closers

    def opens_call(self, tag: Tag) -> bool:
        """Whether an opening tag opens a call, this tool's or any other: arguments, or a call's closer, follow."""
        named = (tag.word.casefold() in CALLS and not tag.plain) or fold(tag.word) == fold(self._tool.name)
        return named and self.is_structure(tag)

    def is_structure(self, tag: Tag) -> bool:
        """Whether an opening tag is more than a mention: another opener, JSON, or a call's closer follows it."""
        at = after_space(self.text, tag.end)
        following = tag_at(self.text, at)
        if following is None:
            return self.text[at : at + 1] in ("{", "")
        return not following.closing or self.ends_call(following)

    def after(self, at: int, opener: Opener) -> Next:
        """What stands behind a closing tag that ends at `at`."""
        at = self._behind_closers_of_all(at)
        if at >= len(self.text):
            return Next.TEXT_END
        tag = tag_at(self.text, at)
        if tag is None:
            return Next.DATA
        if tag.closing and not tag.closed and tag.end == len(self.text) and self._may_become_closer(tag):
            return Next.TEXT_END
        if not tag.closing:
            return self._after_opener(tag, opener)
        if self.ends_call(tag):
            return self._after_call(tag)
        return Next.SAME_CLOSER if self.closes(tag, opener) else Next.DATA

    def _may_become_closer(self, tag: Tag) -> bool:
        """Whether a closing tag at which the text ends is the start of one that closes the call."""
        return tag.namespaced or any(word.startswith(tag.word) for word in self._closers)

    def _behind_closers_of_all(self, at: int) -> int:
        """Go over what closes all arguments together: `</arguments>`, a brace, the end of CDATA."""
        while found := _ALL_CLOSED.match(self.text, at):
            if found["word"] and self._tool.key(found["word"]) is not None:
                break
            at = found.end()
        return after_space(self.text, at)

    def _after_opener(self, tag: Tag, current: Opener) -> Next:
        if tag.word.casefold() in WRAPPERS | CALLS or (tag.word in NAMING and self._tool.key(tag.word) is None):
            return Next.CALL_END
        opener = self.opener(tag.start)
        if opener is None:
            return Next.DATA
        if opener.key == current.key or opener.key in self.given:
            return Next.PARAMETER if self._may_repeat(opener, current) else Next.DATA
        if opener.declared or not self._tool.properties:
            return Next.PARAMETER
        alike = _STYLE.match(self.text, tag.start) or not _STYLE.match(self.text, current.at)
        return Next.PARAMETER if alike and self._closes_cleanly(opener) else Next.DATA

    def _may_repeat(self, opener: Opener, current: Opener) -> bool:
        """A list comes in pieces; of a short value the last counts. A body that comes twice is no body."""
        if "array" in kinds(self._tool.schema(opener.key)):
            return True
        between = self.text[current.end : opener.at].strip()
        return not is_body(opener.key) and not is_body(current.key) and "\n" not in between

    def _after_call(self, tag: Tag) -> Next:
        """`</function>` inside a wrapper ends the call for sure only where the wrapper ends or a call begins."""
        if not self._wrapped or tag.word.casefold() in WRAPPERS:
            return Next.CALL_END
        at = after_space(self.text, tag.end)
        if at >= len(self.text) or self.text[at] in "{}" or _TORN.match(self.text, at):
            return Next.CALL_END
        following = tag_at(self.text, at)
        if following is not None and following.word.casefold() in WRAPPERS | CALLS | {"think"}:
            return Next.CALL_END
        return Next.CALL_END_THEN_TEXT

    def ends_for_sure(self, tag: Tag) -> bool:
        """Whether a call's closer is one beyond doubt: nothing follows it, or another tag of calls does."""
        at = after_space(self.text, tag.end)
        if at >= len(self.text) or self.text[at] in "{}":
            return True
        following = tag_at(self.text, at)
        return following is not None and self.ends_call(following)

    def opens_behind(self, at: int) -> bool:
        """Whether the next tag opens something."""
        tag = tag_at(self.text, self._behind_closers_of_all(at))
        return tag is not None and not tag.closing

    def goes_on_behind(self, tag: Tag) -> bool:
        """Whether text goes on behind a closer on its very line, as behind one that is quoted."""
        return _ON_THE_LINE.match(self.text, tag.end) is not None

    def _closes_cleanly(self, opener: Opener) -> bool:
        """Whether an undeclared parameter is one: its first closer is followed by a boundary."""
        for tag in self.tags(opener.end, opener):
            if tag.closing and self.closes(tag, opener):
                return self.after(tag.end, opener) not in (Next.DATA, Next.SAME_CLOSER)
            if not tag.closing or self.ends_call(tag):
                return False
        return False

    def is_free(self, key: str, opener: Opener) -> bool:
        """Whether `key` may still be given: not given, and not the parameter that is open."""
        return key != opener.key and key not in self.given

    def any_free(self, opener: Opener) -> bool:
        """Whether another declared parameter could still come."""
        return not self._tool.properties or any(self.is_free(key, opener) for key in self._tool.properties)

    def is_lost(self, tag: Tag, opener: Opener) -> bool:
        """Whether a closing tag belongs to a declared parameter that could still come: its opener was lost."""
        return self.may_come(tag.word, opener)

    def may_come(self, word: str, opener: Opener) -> bool:
        """Whether `word` means a declared parameter that could still come."""
        key = self._tool.key(word)
        return key is not None and self.is_free(key, opener)

    @property
    def has_schema(self) -> bool:
        """Whether the tool says which parameters it has."""
        return bool(self._tool.properties)

    def requires(self, key: str) -> bool:
        return key in self._tool.required

    def tags(self, at: int, opener: Opener) -> Iterator[Tag]:
        """The tags from `at` on that can matter for the end of `opener`'s value."""
        words = {"param", "function", "invoke", opener.key} | self._closers
        if opener.word is not None:
            words |= {opener.word, *self._tool.properties}
        for found in _tags_of(frozenset(words)).finditer(self.text, at):
            tag = tag_at(self.text, found.start())
            if tag is not None and (tag.namespaced or not self._namespaced):
                yield tag


@lru_cache(maxsize=256)
def _tags_of(words: frozenset[str]) -> re.Pattern[str]:
    """The beginnings of tags whose word starts with one of these."""
    alternatives = "|".join(sorted((re.escape(word) for word in words if word), key=len, reverse=True))
    return re.compile(rf"[<＜][ \t]*[/／]?[ \t]*{NAMESPACE}(?:{alternatives})")
