"""The `thinking_summary` phase: arrays that are sent whole again and again, to text that only grows.

A frame carries two arrays, titles and thoughts, that belong together by index. Within a block they grow, and identical
frames repeat; a `finished` frame ends the block, and the next block starts with arrays of its own (captures 06, 08 and
09). The text follows OpenAI's habit for reasoning summaries, which clients look for::

    **title**

    thought

    **next title**
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PARAGRAPH = "\n\n"


class ThinkingSummary:
    """What has been shown of the summaries of one answer. Holds the arrays of one block, no more than a frame."""

    __slots__ = ("_last", "_sent")

    def __init__(self) -> None:
        self._sent: dict[tuple[int, str], str] = {}
        self._last: tuple[int, str] | None = None  # the element the text ends in; None before the first

    def take(self, extra: Mapping[str, Any]) -> str:
        """The text that is new in a delta's `extra`; `""` when it repeats what is known or holds no summary.

        An element that grew goes on where it ended if nothing came behind it, else in a paragraph of its own. One that
        was *rewritten* cannot be taken back: what follows the common beginning comes as a paragraph, so that no new
        word is lost and no old one doubled. One that shrank says nothing. A title is shown whole, closed in asterisks;
        its growth counts as a rewriting.
        """
        titles = _strings(extra, "summary_title")
        thoughts = _strings(extra, "summary_thought")
        pieces: list[str] = []
        for index in range(max(len(titles), len(thoughts))):
            if index < len(titles):
                self._element((index, "title"), titles[index], pieces)
            if index < len(thoughts):
                self._element((index, "thought"), thoughts[index], pieces)
        return "".join(pieces)

    def end_block(self) -> None:
        """The block is finished: the next arrays start anew."""
        self._sent.clear()
        if self._last is not None:
            self._last = (-1, "")  # something was shown, and nothing can go on from it

    def _element(self, key: tuple[int, str], text: str, pieces: list[str]) -> None:
        sent = self._sent.get(key, "")
        if sent.startswith(text):
            return
        self._sent[key] = text
        title = key[1] == "title"
        if key == self._last and not title and text.startswith(sent):
            pieces.append(text[len(sent) :])
            return
        new = text[_common(sent, text) :]
        if self._last is not None:
            pieces.append(_PARAGRAPH)
        pieces.append(f"**{new}**" if title else new)
        self._last = key


def _strings(extra: Mapping[str, Any], name: str) -> list[str]:
    """`extra[name].content` as a list of strings: a lone string is one element, anything else is empty."""
    part = extra.get(name)
    content = part.get("content") if isinstance(part, dict) else None
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [item if isinstance(item, str) else "" for item in content]


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return min(len(one), len(other))
