"""What the gate lets through: pieces of text and of thinking, and signs; and at an opener, the text from there on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a piece is. `REFUSED` carries the tool's name in the site's "Tool X does not exists."."""

    TEXT = "text"
    THINKING = "thinking"
    REFUSED = "refused"
    HALF = "half an opener"


class Piece(NamedTuple):
    """A piece of the answer that is no call."""

    kind: Kind
    text: str


@dataclass(slots=True)
class Passed:
    """What came out of one step. `call` is the text from an opener on; None while there is none."""

    pieces: list[Piece] = field(default_factory=list)
    call: str | None = None
    fenced: bool = False
