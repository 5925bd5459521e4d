"""Where a request goes: on from a node that is known to hold the client's history, or into a new chat with all of it.

The deepest known node wins, and only content decides: a key is found or it is not. Edits, regenerated answers and forks
need no case of their own, they find a shallower node. What is not known yet is the tail; it is sent whole, be it one
question, several tool results, or a piece of history that the client rewrote.

A node holds an answer, or a question whose answer is none to go on from: its client left in the middle, or a call in it
was not run. Behind such a question the tail begins with the answer as the client has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from qwen_bridge.messages import ChatRequest, Message
from qwen_bridge.ports import Anchor

NEW: Final = "new"
"""The history holds no answer yet: there is nothing to continue."""

UNKNOWN_HISTORY: Final = "unknown_history"
"""No prefix of the history is known: first contact in mid-conversation, an edited opening, forgotten anchors."""

AVOIDED: Final = "avoided"
"""The whole history is known, but none of its chats may be used for this request."""

RESETS: Final = frozenset({"parent_refused", "chat_gone", "account_changed"})
"""Reasons a caller gives to `start_over`: a known node turned out to be dead."""


@dataclass(frozen=True, slots=True)
class ContinueChat:
    """Send `tail` as the child of `anchor`, which holds the first `known` messages of the dialogue.

    `resend_instructions`: the chat last saw another system text or other tools.
    """

    anchor: Anchor
    known: int
    tail: tuple[Message, ...]
    resend_instructions: bool

    @property
    def broken_off(self) -> bool:
        """Whether the node is a question's: its answer is told as the client has it."""
        return self.tail[0].role == "assistant"

    @property
    def rewritten(self) -> bool:
        """Whether the client's history left the known path: the tail then brings answers of its own."""
        return any(message.role == "assistant" for message in self.tail[self.broken_off :])


@dataclass(frozen=True, slots=True)
class StartChat:
    """Send the whole dialogue to a new chat. `reason` is a code for logs, header and metrics.

    `new`, `unknown_history`, `avoided`, `edited@N` (the first N messages are known, but none of their chats may be
    used), or what the caller gave to `start_over`.
    """

    messages: tuple[Message, ...]
    reason: str


type Plan = ContinueChat | StartChat


def candidates(request: ChatRequest, keys: Sequence[str]) -> list[str]:
    """The keys worth asking a store for, deepest first: after an answer with something left to send, or before one.

    `keys` is `chain(scope, request.dialogue)`. Raises ValueError when it is not as long as the dialogue.
    """
    return [keys[known - 1] for known in _depths(request, keys)]


def plan(
    request: ChatRequest,
    keys: Sequence[str],
    found: Mapping[str, Sequence[Anchor]],
    instructions: str,
    *,
    avoid: Collection[str] = (),
    busy: Collection[str] = (),
) -> Plan:
    """Decide where `request` goes.

    `keys` as for `candidates`; `found` maps keys to anchors, each list in order of preference (`AnchorBook.find` puts
    nodes first that nobody has continued, then the oldest, so that conversations with one beginning stay apart);
    `instructions` is `instructions_digest(request)`. Chat ids in `avoid` are not used at all. Chat ids in `busy` are
    generating: they are chosen only if every usable anchor of the deepest known node is busy, and it is for the caller
    to wait or to plan again with them in `avoid`. Among the rest a chat that has seen these very instructions comes
    first. Raises ValueError when `keys` is not as long as the dialogue.
    """
    dialogue = request.dialogue
    depths = _depths(request, keys)
    unusable: int | None = None
    for known in depths:
        anchors = found.get(keys[known - 1], ())
        usable = [anchor for anchor in anchors if anchor.chat_id not in avoid]
        if usable:
            best = min(usable, key=lambda anchor: (anchor.chat_id in busy, anchor.instructions != instructions))
            return ContinueChat(best, known, dialogue[known:], best.instructions != instructions)
        if anchors and unusable is None:
            unusable = known
    if unusable is not None:
        return StartChat(dialogue, AVOIDED if unusable in depths[:2] else f"edited@{unusable}")
    return StartChat(dialogue, UNKNOWN_HISTORY if any(m.role == "assistant" for m in dialogue) else NEW)


def start_over(request: ChatRequest, reason: str) -> StartChat:
    """The plan after Qwen refused a node: everything again, built from the original request, never from the tail.

    A cut-down message sent to a new chat is the commonest field bug of such bridges (reliability.md §C2.1).
    """
    return StartChat(request.dialogue, reason)


def explain(plan: Plan) -> str:
    """The plan in the words of header, log and metrics.

    `hit depth=7/9` (messages known / messages sent by the client), `hit depth=2/9 edited@2`, `hit depth=7/9 broken_off`
    (the last answer is told again, as the client has it), `new`, `miss reason=…`, `reset reason=…`.
    """
    match plan:
        case ContinueChat():
            hit = f"hit depth={plan.known}/{plan.known + len(plan.tail)}"
            if plan.rewritten:
                return f"{hit} edited@{plan.known}"
            return f"{hit} broken_off" if plan.broken_off else hit
        case StartChat(reason=reason) if reason == NEW:
            return NEW
        case StartChat(reason=reason):
            return f"{'reset' if reason in RESETS else 'miss'} reason={reason}"


def _depths(request: ChatRequest, keys: Sequence[str]) -> list[int]:
    """How many messages each candidate holds, deepest first."""
    dialogue = request.dialogue
    if len(keys) != len(dialogue):
        raise ValueError(f"{len(keys)} keys for {len(dialogue)} messages")
    answers = [message.role == "assistant" for message in dialogue]
    return [known for known in range(len(dialogue) - 1, 0, -1) if answers[known - 1] or answers[known]]
