"""Keys of histories: one hash per message, each over the one before it.

`key(n) = H(key(n-1), canonical(message n))`, so the key after the last message is the key of the whole history, all
prefixes of a history are named by one pass over it, and two histories share a key exactly as far as they are the same.
Linear in bytes; hashing each prefix anew cost a hundred times as much at 200 messages (reliability.md §C3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from qwen_bridge.conversation.canonical import CANONICAL_VERSION, canonical, pack
from qwen_bridge.messages import Message


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose histories are compared at all: no key of one scope is ever met in another.

    `client` is a digest of the key the client itself sent to the bridge, `account` that of the Qwen credentials (a chat
    can be continued by its owner only), `model` is Qwen's name of the model.
    """

    client: str
    account: str
    model: str


def root(scope: Scope) -> str:
    """The key of the empty history: hex, depends on the scope and on the version of the canonical form."""
    names = (scope.client, scope.account, scope.model)
    return hashlib.sha256(pack(CANONICAL_VERSION, *(n.encode("utf-8", "surrogatepass") for n in names))).hexdigest()


def extend(key: str, message: Message) -> str:
    """The key of the history `key` with `message` behind it, hex.

    A system message leaves the key as it is: instructions change in the middle of a conversation (a clock, a mode
    switch), and are no turn of it.
    """
    if message.role == "system":
        return key
    digest = hashlib.sha256(bytes.fromhex(key))
    digest.update(canonical(message))
    return digest.hexdigest()


def chain(scope: Scope, messages: Sequence[Message]) -> list[str]:
    """The key after each message, in order: as many keys as messages. Callers pass `ChatRequest.dialogue`."""
    keys: list[str] = []
    key = root(scope)
    for message in messages:
        key = extend(key, message)
        keys.append(key)
    return keys
