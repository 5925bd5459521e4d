"""What an exchange wants done, in order. A driver carries these out and decides nothing itself.

Towards the client an answer is `Begin`, any number of `Data`, `End`. `Again` may come instead of, or before, `Begin`.
"""

from __future__ import annotations

from dataclasses import dataclass

from qwen_bridge.ports import Anchor

type Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to Qwen. `path` includes the query; the host is the driver's, from the settings."""

    method: str
    path: str
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Begin:
    """Send status and headers to the client. Framing (`transfer-encoding`) is the driver's."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Data:
    """Send these bytes of the body; never empty."""

    chunk: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The answer to the client is complete. What Qwen may still send is of no interest."""


@dataclass(frozen=True, slots=True)
class Again:
    """This attempt is over, drop its connection if it is not finished, and ask again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Commit:
    """Remember that the history `key` lies at `anchor`. Comes before the terminal bytes: a client acts on them."""

    key: str
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Forget:
    """Qwen refused `anchor`: the node is dead, and with `whole_chat` its chat too."""

    anchor: Anchor
    whole_chat: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Qwen may still be writing an answer in this chat that nobody will read: end it, so that the chat is free.

    `response_id` is empty where Qwen has not told it: then whatever is being written there is meant.
    """

    chat_id: str
    response_id: str


type Effect = Begin | Data | End | Again | Commit | Forget | Stop
