"""Answers kept in memory, and the name under which the same request finds one again.

The name is a hash over who asks, which account and model answer, and the request's body as a value: white space and
the order of keys do not count, and neither do the fields that change nothing of what is said. Everything else does,
also what a web chat has no control for (`temperature`, `seed`): who changes it wants another answer. Time is handed in.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Final

import orjson

from qwen_bridge.conversation.keys import Scope, root
from qwen_bridge.events import ReasoningDelta, StreamEvent, TextDelta
from qwen_bridge.surfaces.json_request import load_object

BESIDE_THE_POINT: Final = frozenset(
    {
        *("stream", "stream_options"),  # the form of the answer, not what it says
        *("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "store"),
        "service_tier",
    }
)
"""Fields of a body that change nothing of what is said; clients put ids in some that differ from request to request."""

OVERHEAD: Final = 512
"""Bytes counted for an answer beside its events: key, places in two tables, list."""


def cache_key(scope: Scope, body: bytes) -> str | None:
    """The name of a request whose body was read before; None for one nested too deeply to be written again."""
    asked = {name: value for name, value in load_object(body).items() if name not in BESIDE_THE_POINT}
    try:
        canonical = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None
    return hashlib.sha256(root(scope).encode() + canonical).hexdigest()


def weight(event: StreamEvent) -> int:
    """Bytes of memory that an event takes, with its text and its place in a list."""
    text = getsizeof(event.text) if isinstance(event, TextDelta | ReasoningDelta) else 0
    return getsizeof(event) + text + 8


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer, as events behind every repair: what its client was told."""

    events: Sequence[StreamEvent]

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return OVERHEAD + sum(map(weight, self.events))


class AnswerCache:
    """At most `entries` answers and `size` bytes, each for `ttl` seconds; those not asked for longest leave first.

    `now` is in seconds on a clock that never jumps.
    """

    __slots__ = ("_entries", "_held", "_size", "_ttl", "size")

    def __init__(self, entries: int, size: int, ttl: float) -> None:
        self._entries = entries
        self._size = size
        self._ttl = ttl
        self._held: OrderedDict[str, tuple[KeptAnswer, int, float]] = OrderedDict()  # answer, bytes, until
        self.size = 0
        """Bytes that are held."""

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: str, now: float) -> KeptAnswer | None:
        """The answer under `key`, unless it is too old. To be asked for does not make it younger."""
        self._expire(now)
        if key not in self._held:
            return None
        self._held.move_to_end(key)
        return self._held[key][0]

    def put(self, key: str, answer: KeptAnswer, now: float) -> None:
        """Keep an answer, in place of an older one; one that alone is larger than the whole is not kept."""
        self._expire(now)
        self._drop(key)
        size = answer.size
        if size > self._size:
            return
        self._held[key] = (answer, size, now + self._ttl)
        self.size += size
        while len(self._held) > self._entries or self.size > self._size:
            self._drop(next(iter(self._held)))

    def _expire(self, now: float) -> None:
        """Forget what is too old, wherever it stands: nobody's words stay longer than was promised."""
        for key in [key for key, (_, _, until) in self._held.items() if until <= now]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._held:
            self.size -= self._held.pop(key)[1]
