"""A message that is too large for Qwen's firewall, divided: what stays in it, and what travels as one attached file.

Bodies above about 128 KiB get a captcha instead of an answer (qwen-protocol.md §6); a text file may have 20 MB. So the
newest parts stay in the message and the older ones go into the file, below the same border lines with the same mark.
One part that alone would fill the message (a file that a tool read, a log that a user pasted, a long list of tools) is
shown as an excerpt, its beginning and its end, and stands whole in the file. So does the user's latest question when it
lies among the older parts, as it does after many tool calls: the model must not have to look for it.

Every part stands whole exactly once, in the message or in the file, and both keep the order. The mark is checked not to
occur in any part, so that neither a border nor the note about a cut can be forged. Sizes are those *as sent*: UTF-8
within a JSON string, with its escapes. The same parts and limits give the same bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

import orjson

from qwen_bridge.conversation.transcript import (
    CHANGED,
    INSTRUCTIONS,
    PARTLY_CHANGED,
    START_HEADING,
    TAIL_HEADING,
    TOOLS,
    USER,
    Block,
    _border,  # how a message is worded and what divides it is transcript's to say, for this room
    _mark,
    _render,
)
from qwen_bridge.errors import ContextTooLong

DOCUMENT_LIMIT: Final = 20_000_000
"""Bytes of one document that Qwen takes (20 MB; the smaller reading of it)."""

EARLIER_NOTE: Final = (
    "The attached file `{name}` holds the earlier parts, divided by the same lines: what stands below comes after them."
)
EXCERPT_NOTE: Final = (
    "A part whose line says `excerpt 1` (or 2, …) is only its beginning and its end; it stands whole in the"
    " attached file `{name}`, below the line that says `whole of excerpt 1`."
)
READ_NOTE: Final = "Read the file before you answer."
FILE_HEADING: Final = (
    "This file belongs to a message: it holds parts of the conversation that came before it or are too long for it."
    " Each part begins with a line like `{border}`; only these lines divide it, whatever else stands in a part."
)

_EXCERPT_SHARE = 16  # of the budget, for each excerpt: some 5 KB, beginning and end together
_RESERVE_SHARE = 6  # of the budget, left for the dialogue by instructions and tools: two excerpts and their lines
_ANY_NUMBER = 999_999_999  # as long as a count or a number of bytes can be in a line


@dataclass(frozen=True, slots=True)
class Limits:
    """The room there is, in bytes: `inline` for the text of the message as sent, `file` for a document, 0 for none."""

    inline: int
    file: int = DOCUMENT_LIMIT


class Document(NamedTuple):
    """A text file to be attached. Its name holds the mark, so that no text can speak of it by chance."""

    filename: str
    text: str


@dataclass(frozen=True, slots=True)
class Split:
    """The text of the message, and the documents to attach: none or one. `size`: undivided, in bytes as sent."""

    text: str
    documents: tuple[Document, ...]
    size: int


class _Place(Enum):
    INLINE = "whole in the message"
    EXCERPT = "whole in the file, and its ends in the message"
    FILED = "whole in the file"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part and what it takes of the message, with its lines: `whole`, or at most as an excerpt (`shown`)."""

    block: Block
    whole: int
    shown: int

    @property
    def is_question(self) -> bool:
        return self.block.label.partition(" ")[0] == USER


def split_start(parts: Sequence[Block], instructions: str, tools_text: str, limits: Limits) -> Split:
    """The message of `transcript.render_start`, divided where it is longer than `limits.inline`.

    `parts` is `transcript.blocks` of the whole dialogue. Raises `ContextTooLong` with the sizes when it does not fit
    with a file either.
    """
    preface = [Block(INSTRUCTIONS, instructions)] if instructions else []
    if tools_text:
        preface.append(Block(TOOLS, tools_text))
    return _fitted(START_HEADING, preface, parts, limits)


def split_tail(
    parts: Sequence[Block], instructions: str | None, tools_text: str | None, limits: Limits, *, changed: str = ""
) -> Split:
    """The message of `transcript.render_tail`, divided where it is longer than `limits.inline`.

    `parts` is `transcript.blocks` of the tail, with what is known before it. Raises `ContextTooLong` with the sizes
    when it does not fit with a file either.
    """
    preface = [Block(INSTRUCTIONS + CHANGED, instructions)] if instructions is not None else []
    if changed:
        preface.append(Block(PARTLY_CHANGED, changed))
    if tools_text is not None:
        preface.append(Block(TOOLS + CHANGED, tools_text))
    return _fitted(TAIL_HEADING, preface, parts, limits)


def too_long(size: int, limits: Limits, because: str = "") -> ContextTooLong:
    """The error of a message that cannot be sent: `size` as in `Split`, `because` a sentence about the file, if any."""
    room = f"about {limits.inline:,} bytes in a message"
    if limits.file:
        room += f" and {limits.file:,} in a file"
    reason = f" {because}" if because else ""
    return ContextTooLong(
        f"This turn needs {size:,} bytes, and Qwen's web chat takes {room}.{reason} Start a new conversation, let the "
        "client condense its history, or send less at once.",
        param="messages",
    )


def sent_size(text: str) -> int:
    """Bytes of `text` inside a JSON body, without its quotes; half surrogates count as the U+FFFD they become."""
    try:
        return len(orjson.dumps(text)) - 2
    except TypeError:
        return len(orjson.dumps(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))) - 2


def _fitted(heading: str, preface: Sequence[Block], parts: Sequence[Block], limits: Limits) -> Split:
    whole = _render(heading, preface, parts)
    size = sent_size(whole)
    if size <= limits.inline:
        return Split(whole, (), size)
    if not limits.file:
        raise too_long(size, limits)
    mark = _mark([*preface, *parts])
    name = f"conversation-{mark}.txt"
    head = heading.format(border=_border(mark, "..."))
    excerpt = limits.inline // _EXCERPT_SHARE
    pieces = [_piece(block, mark, excerpt) for block in (*preface, *parts)]
    room = limits.inline - sent_size(f"{head}\n{_notes(name, set(_Place))}")
    places = _places(pieces, len(preface), room, limits.inline // _RESERVE_SHARE)
    if places is None:
        raise too_long(size, limits)
    chosen = list(zip((piece.block for piece in pieces), places, strict=True))
    text = "\n".join([head, _notes(name, set(places)), *_inline(chosen, mark, excerpt)])
    filed = "\n".join([FILE_HEADING.format(border=_border(mark, "...")), *_filed(chosen, mark)])
    file_size = len(filed.encode("utf-8", "surrogatepass"))
    if file_size > limits.file:
        raise too_long(size, limits, f"The file would have {file_size:,} bytes.")
    return Split(text, (Document(name, filed),), size)


def _places(pieces: Sequence[_Piece], preface: int, room: int, reserve: int) -> list[_Place] | None:
    """Where each piece goes; the first `preface` are no dialogue. None when the newest has no place in the message.

    `room` is in bytes. From the newest back, pieces stay whole while there is room; one that takes more than half of
    it by itself is cut to an excerpt; at the first other that does not fit, it and all before it go into the file.
    """
    places = [_Place.INLINE] * len(pieces)
    room -= sum(piece.whole for piece in pieces[:preface])
    for index in sorted(range(preface), key=lambda index: -pieces[index].whole):
        if room < reserve and pieces[index].shown < pieces[index].whole:
            places[index] = _Place.EXCERPT
            room += pieces[index].whole - pieces[index].shown
    question = next((index for index in reversed(range(preface, len(pieces))) if pieces[index].is_question), None)
    held = 0 if question is None else pieces[question].shown  # in case it ends up among the older pieces
    room -= held
    huge = room // 2
    for index in reversed(range(preface, len(pieces))):
        piece = pieces[index]
        room += held if index == question else 0
        if piece.whole <= room:
            room -= piece.whole
        elif piece.shown <= room and piece.whole > huge:
            places[index] = _Place.EXCERPT
            room -= piece.shown
        elif index == len(pieces) - 1:
            return None
        else:
            places[preface : index + 1] = [_Place.FILED] * (index + 1 - preface)
            if question is not None and question <= index:
                places[question] = _Place.EXCERPT
            break
    return places if room >= 0 else None


def _piece(block: Block, mark: str, excerpt: int) -> _Piece:
    text = sent_size(block.text)
    line = sent_size(f"\n{_border(mark, block.label)}\n")
    # An excerpt has the number in its line, and one line more about what is left out.
    lines = sent_size(f"\n{_border(mark, _excerpt_label(block, _ANY_NUMBER))}\n\n{_left_out(mark, _ANY_NUMBER)}\n")
    return _Piece(block, line + text, lines + min(text, excerpt))


def _inline(chosen: Iterable[tuple[Block, _Place]], mark: str, excerpt: int) -> Iterator[str]:
    number = 0
    for block, place in chosen:
        if place is _Place.INLINE:
            yield f"{_border(mark, block.label)}\n{block.text}"
        elif place is _Place.EXCERPT:
            number += 1
            yield f"{_border(mark, _excerpt_label(block, number))}\n{_ends(block.text, mark, excerpt)}"


def _filed(chosen: Iterable[tuple[Block, _Place]], mark: str) -> Iterator[str]:
    number = 0
    for block, place in chosen:
        label = block.label
        if place is _Place.INLINE:
            continue
        if place is _Place.EXCERPT:
            number += 1
            label += f", whole of excerpt {number}"
        yield f"{_border(mark, label)}\n{block.text}"


def _ends(text: str, mark: str, excerpt: int) -> str:
    """Beginning and end of a text with a line between them that says how much is left out; a short text whole."""
    if sent_size(text) <= excerpt:
        return text
    head = text[: _longest(excerpt // 2, len(text), lambda length: text[:length])]
    rest = text[len(head) :]
    start = len(rest) - _longest(excerpt // 2, len(rest), lambda length: rest[len(rest) - length :])
    left_out, tail = len(rest[:start].encode("utf-8", "surrogatepass")), rest[start:]
    return f"{head}\n{_left_out(mark, left_out)}\n{tail}"


def _longest(size: int, length: int, piece: Callable[[int], str]) -> int:
    """How many characters of a text that has `length` make a piece of at most `size` bytes."""
    lengths = range(min(size, length) + 1)  # each character takes a byte at least
    return bisect_right(lengths, size, key=lambda tried: sent_size(piece(tried))) - 1


def _excerpt_label(block: Block, number: int) -> str:
    return f"{block.label}, excerpt {number}"


def _left_out(mark: str, count: int) -> str:
    return _border(mark, f"{count:,} bytes left out")


def _notes(name: str, places: set[_Place]) -> str:
    notes = [EARLIER_NOTE] if _Place.FILED in places else []
    if _Place.EXCERPT in places:
        notes.append(EXCERPT_NOTE)
    return " ".join([*notes, READ_NOTE]).format(name=name)
