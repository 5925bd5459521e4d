"""What the model is going to say in one answer, before it has any wire form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

type Lookup = Literal["web_search", "image_search"]
type ReasoningPhase = Literal["think", "thinking_summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One answer.

    `chunk` is the number of characters of one delta. `phase` is the phase that carries `text`. `dialect` names the
    form of the tool call in `text`, for people. `lookups` come between reasoning and text; with `restart` the
    reasoning goes on after them in a new block. `rival` is the text of a second candidate in the same stream.
    Without `finish` the last frame is missing; with `opens_only` nothing follows `response.created`.
    """

    text: str = ""
    reasoning: str = ""
    dialect: str | None = None
    chunk: int = 4
    phase: str = "answer"
    reasoning_phase: ReasoningPhase = "thinking_summary"
    lookups: tuple[Lookup, ...] = ()
    restart: bool = False
    keep_alives: int = 0
    rival: str | None = None
    finish: bool = True
    opens_only: bool = False
