"""What the pure rooms need from outside, as protocols: time, ids, stored conversations, counters.

The room `bridge` chooses the real ones; tests give a fixed clock and counted ids. Nothing here is awaited by a pure
room: `ConversationStore` is used by `bridge` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970, with fraction."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; for measuring and deadlines."""
        ...


class IdSource(Protocol):
    def uuid(self) -> str:
        """A new UUID in its canonical text form."""
        ...

    def token(self) -> str:
        """A new random token of `[A-Za-z0-9]`, 24 characters: the tail of `chatcmpl-…`, `call_…`, `req_…`."""
        ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a known conversation continues: the node of Qwen's tree that holds it.

    `parent_id` goes into the next request. `account` is the digest of the credentials the chat belongs to.
    `instructions` is the digest of the system text and tool list the chat last saw. `depth` counts the turns
    (messages that are not system) on the path; a node is deeper than the one it hangs on, which is how stores know a
    leaf from its root. `previous` is the `parent_id` this node's own turn was put to, empty for the first turn of a
    chat or where it is not known; it is for people.
    """

    chat_id: str
    parent_id: str
    model: str
    account: str
    instructions: str
    depth: int
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a store holds. `oldest` is when the chat idle for longest was last used, in seconds since 1970."""

    anchors: int
    chats: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """One chat a store knows. `model`, `account` and `depth` are those of its deepest anchor; `used` is when an anchor
    of it was last put or found, in seconds since 1970.
    """

    chat_id: str
    model: str
    account: str
    depth: int
    anchors: int
    used: float


@dataclass(frozen=True, slots=True)
class AccountState:
    """How one Qwen session stands, for people. `digest` are the first characters of its account's.

    `problem` is the code of what keeps requests from it, empty when nothing does; `rests` the seconds for which it is
    still left in peace. `expires_at` is in seconds since 1970, None when the session does not say. `running` requests
    are being answered, `waiting` ones stand in the queue. `learned`: the session comes from the user's browser;
    `seen` is then when Qwen last took it from there, in seconds since 1970.
    """

    name: str
    digest: str
    problem: str
    rests: float
    expires_at: float | None
    running: int
    waiting: int
    learned: bool = False
    seen: float | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """One session that was learned from the browser, for people. `digest` are the first characters of its account's.

    `used` are the names of the profiles that speak with it. `learned`, `seen` and `expires_at` are in seconds since
    1970, the last None when the session does not say. `incomplete`: no question was seen that carries all of it.
    """

    digest: str
    used: Sequence[str]
    learned: float
    seen: float
    expires_at: float | None
    incomplete: bool


class ConversationStore(Protocol):
    """Keys (hex digests of a history) → anchors. Holds hashes and ids only, never text.

    One history may lie in several chats: two people say the same words, or one asks again. All are kept.
    Implementations raise `StoreUnavailable` when the backend cannot answer; the bridge then opens new chats.
    `find` to `give_back` are for requests; `purge` and `counts` for a periodic sweep; `chats` and `anchors_of` for
    people.
    """

    async def find(self, keys: Sequence[str]) -> dict[str, list[Anchor]]:
        """The anchors of those keys that are known, oldest first; unknown keys are absent."""
        ...

    async def put(self, key: str, anchor: Anchor) -> None:
        """Remember that the history `key` lies at `anchor`. Idempotent."""
        ...

    async def drop_chat(self, chat_id: str) -> int:
        """Forget every anchor in a chat that is gone; return how many there were."""
        ...

    async def drop(self, chat_id: str, parent_id: str) -> int:
        """Forget the anchors at a node that Qwen refused; return how many there were."""
        ...

    async def lease(self, chat_id: str, holder: str, seconds: float) -> bool:
        """Whether `holder` may answer in the chat, and no other for so many seconds; asked again, it is renewed.

        A store that one bridge has to itself always says yes.
        """
        ...

    async def give_back(self, chat_id: str, holder: str) -> None:
        """End a lease. Nothing when another holds it."""
        ...

    async def purge(self, older_than: float) -> int:
        """Forget the chats not used for `older_than` seconds; return how many anchors went."""
        ...

    async def counts(self) -> Counts:
        """How much is held now."""
        ...

    async def chats(self, limit: int) -> list[ChatSummary]:
        """At most `limit` chats, the one used last first."""
        ...

    async def anchors_of(self, chat_id: str) -> list[Anchor]:
        """Every anchor in a chat, the shallowest first; a node known by several keys comes several times."""
        ...

    async def close(self) -> None:
        """Flush and release. Further calls raise `StoreUnavailable`."""
        ...


class StoreUnavailable(Exception):
    """The store cannot answer now. Costs tokens, never correctness: the whole history goes to a new chat."""


class Metrics(Protocol):
    """What is counted, by the names of the table in `observe.metrics`. Never called per event of a stream.

    A label's value is a code or an id out of a small set, never a user's word.
    """

    def count(self, name: str, amount: int = 1, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Record one value of a distribution, in the unit the name says."""
        ...

    def level(self, name: str, value: float, /, **labels: str) -> None:
        """Say how high something stands now."""
        ...


class Uncounted:
    """`Metrics` for whoever wants none."""

    def count(self, name: str, amount: int = 1, /, **labels: str) -> None:
        pass

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        pass

    def level(self, name: str, value: float, /, **labels: str) -> None:
        pass
