"""What the model is going to say in one answer, before it has any wire form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qwen_bridge.simulator.local_tools import LocalCall

type Lookup = Literal["web_search", "image_search"]
type ReasoningPhase = Literal["think", "thinking_summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One answer.

    `chunk` is the number of characters of one delta. `phase` is the phase that carries `text`. `dialect` names the
    form of the tool call in `text`, and `called` its tool and arguments; `calls` come on the client's channel, behind
    the text. `lookups` come between reasoning and text; with `restart` the reasoning goes on after them in a new block.
    `rival` is the text of a second candidate in the same stream.
    Without `finish` the last frame is missing; with `opens_only` nothing follows `response.created`.
    """

    text: str = ""
    reasoning: str = ""
    dialect: str | None = None
    called: tuple[str, Mapping[str, Any]] | None = None
    calls: tuple[LocalCall, ...] = ()
    chunk: int = 4
    phase: str = "answer"
    reasoning_phase: ReasoningPhase = "thinking_summary"
    lookups: tuple[Lookup, ...] = ()
    restart: bool = False
    keep_alives: int = 0
    rival: str | None = None
    finish: bool = True
    opens_only: bool = False
