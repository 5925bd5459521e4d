"""The ledger: what came in and what was said, turn by turn, for tests to read.

`to_json` gives the contract of `GET /_simulator/ledger`. A turn is written when its answer opens and completed when
the answer ends; until then `answer` is empty.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

_LIMIT = 100_000


@dataclass(slots=True, kw_only=True)
class Turn:
    """One question that was taken.

    `parent_id` is the request's, as it came. `context` is what lay on the path root → parent, without `message`; an
    entry has `files` (name and text) where files hung on it. `answer` is what the tree keeps. `aborted`: the client
    did not get the answer to its end, because it left, the wire broke, or the answer was stopped. `local_tools`: what
    the message declared on the client's own channel, absent for none.
    """

    chat_id: str
    parent_id: str | None
    response_id: str
    request_bytes: int
    message: str
    files: list[dict[str, Any]] = field(default_factory=list)
    context: list[dict[str, Any]] = field(default_factory=list)
    answer: str = ""
    aborted: bool = False
    local_tools: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in self.__slots__}
        if not self.local_tools:
            del told["local_tools"]
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRequest:
    """One request that was answered with an error. `reason` is the name of a refusal or fault, `detail` says where."""

    path: str
    reason: str
    request_bytes: int
    message: str = ""
    detail: str = ""
    chat_id: str | None = None
    parent_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Ledger:
    """The newest 100,000 turns and refusals, oldest first."""

    __slots__ = ("_refused", "_turns")

    def __init__(self, limit: int = _LIMIT) -> None:
        self._turns: deque[Turn] = deque(maxlen=limit)
        self._refused: deque[RefusedRequest] = deque(maxlen=limit)

    @property
    def turns(self) -> list[Turn]:
        return list(self._turns)

    @property
    def refused(self) -> list[RefusedRequest]:
        return list(self._refused)

    def open_turn(self, turn: Turn) -> None:
        self._turns.append(turn)

    def refuse(self, refused: RefusedRequest) -> None:
        self._refused.append(refused)

    def clear(self) -> None:
        self._turns.clear()
        self._refused.clear()

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """`{"turns": […], "refused": […]}`."""
        return {"turns": [t.to_json() for t in self._turns], "refused": [r.to_json() for r in self._refused]}
