"""Where a held call may be over: at a closing tag, at the bracket that closes its JSON, at an escaped closing tag.

A watch takes the text in pieces and gives the places, as offsets into the piece, behind which a reading is worth
trying. Which places these are depends on the text alone, not on how it was cut. Each looks at a character once: a
piece of a body without brackets costs one search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

from qwen_bridge.toolcalls.tags import CALLS, NAMESPACE, WRAPPERS, is_wrapper, tag_at

LONGEST_CLOSER = 400
"""Characters, blanks included."""

_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')
_BEHIND_JSON = re.compile(r"[^ \t}\]]")
_ESCAPED_CLOSER = re.compile(r"&lt;/[\w.\-]+&gt;")


class Watch(Protocol):
    """Offsets into the next piece at which the call may be over."""

    def ends(self, text: str) -> Iterable[int]: ...


def watch_for(opener: str) -> Watch:
    """The watch for a call that begins with `opener`."""
    if opener.startswith("&lt;"):
        return EntityWatch()
    return JsonWatch() if opener[0] in "{[" else TagWatch(opener)


@lru_cache(maxsize=256)
def _closers_of(words: frozenset[str]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(
        rf"[<＜][ \t]{{0,40}}[/／][ \t]{{0,40}}{NAMESPACE}(?:{alternatives})[ \t]{{0,40}}[>＞]|<\|call\|>|<\|end\|>"
    )


class TagWatch:
    """Closing tags: the wrapper's if there is a wrapper, else those of the call.

    Every closer has one bracket at each end and none inside. So nothing is looked for before a closing bracket comes,
    and then in the text since the last one.
    """

    __slots__ = ("_closer", "_unread")

    def __init__(self, opener: str) -> None:
        tag = tag_at(opener.lstrip("*"), 0)
        words = WRAPPERS
        if tag is None or not is_wrapper(tag) or tag.word.casefold() in CALLS:
            words = CALLS | {"invoke_name"} | ({tag.word} if tag is not None else set()) | WRAPPERS
        self._closer = _closers_of(frozenset(words))
        self._unread: list[str] = []  # what came since the last closing bracket

    def ends(self, text: str) -> Iterable[int]:
        self._unread.append(text)
        if ">" not in text and "＞" not in text:
            return ()
        block = "".join(self._unread)
        before = len(block) - len(text)
        self._unread = [text[1 + max(text.rfind(">"), text.rfind("＞")) :]]
        return (found.end() - before for found in self._closer.finditer(block))


class JsonWatch:
    """The bracket that closes the outermost value, with the character behind it: it tells whether the call is alone."""

    __slots__ = ("_closed", "_depth", "_escaped", "_string")

    def __init__(self) -> None:
        self._depth = 0
        self._string = self._escaped = self._closed = False

    def ends(self, text: str) -> Iterator[int]:
        at = 0
        if self._escaped and text:
            at, self._escaped = 1, False
        while at < len(text):
            if self._closed:
                behind = _BEHIND_JSON.search(text, at)
                if behind is None:
                    break
                yield behind.end()
                at, self._closed = behind.start(), False
            mark = (_IN_STRING if self._string else _OUTSIDE).search(text, at)
            if mark is None:
                break
            at = self._step(mark.group(), mark.end(), len(text))

    def _step(self, mark: str, at: int, size: int) -> int:
        """Take one mark; return where to go on."""
        match mark:
            case '"':
                self._string = not self._string
            case "\\":
                self._escaped = at == size
                return at + 1
            case "{" | "[":
                self._depth += 1
            case _:
                self._depth -= 1
                self._closed = self._depth <= 0
        return at


class EntityWatch:
    """Closing tags whose brackets are entities."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = ""

    def ends(self, text: str) -> Sequence[int]:
        window = self._tail + text
        known = len(self._tail)
        self._tail = window[-LONGEST_CLOSER:]
        return [found.end() - known for found in _ESCAPED_CLOSER.finditer(window) if found.end() > known]


def escaped_end(text: str) -> int:
    """Where the last escaped closing tag ends; the end of the text where there is none."""
    ends = [found.end() for found in _ESCAPED_CLOSER.finditer(text)]
    return ends[-1] if ends else len(text)
