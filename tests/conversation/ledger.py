"""A bridge and a Qwen in memory, to see which context an answer was really given in.

`Ledger.turn` does what the exchange does with keys, book and planner, sends the result to a tree of nodes, and then
compares: the texts on the path to the new node, with what was sent, must be the client's history. The comparison knows
nothing of canonical bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from qwen_bridge.conversation.anchors import AnchorBook
from qwen_bridge.conversation.canonical import OUTER_SPACE, instructions_digest, is_minted
from qwen_bridge.conversation.keys import Scope, chain, extend
from qwen_bridge.conversation.planner import ContinueChat, Plan, candidates, explain, plan
from qwen_bridge.messages import ChatRequest, Message, TextPart
from qwen_bridge.ports import Anchor
from tests.conversation.histories import user

HOME = Scope("client", "account", "qwen3-max")


@dataclass
class Ledger:
    """`book` is what the bridge remembers, `nodes` what Qwen holds: (chat, node) → the messages on the path to it."""

    book: AnchorBook = field(default_factory=AnchorBook)
    nodes: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    chats: int = 0
    sent: int = 0

    def turn(
        self,
        history: list[Message],
        answer: Message | None,
        *,
        scope: Scope = HOME,
        system: str = "Help.",
        avoid: Collection[str] = (),
    ) -> str:
        """Ask with `history`; `answer` is what Qwen says and the client is shown, None for one that broke.

        Returns the plan in words and the chat: `hit depth=2/3 in 0`. Fails when the context was not the history.
        """
        request = ChatRequest("m", (Message("system", (TextPart(system),)), *history))
        keys = chain(scope, request.dialogue)
        digest = instructions_digest(request)
        decision = plan(request, keys, self.book.find(candidates(request, keys)), digest, avoid=avoid)
        chat, context = self._send(decision)
        assert meaning(context) == meaning(history), "an answer was given in a wrong context"
        if answer is not None:
            node = str(len(self.nodes))
            self.nodes[chat, node] = [*context, answer]
            depth = len(history) + 1
            self.book.put(extend(keys[-1], answer), Anchor(chat, node, scope.model, scope.account, digest, depth))
        resent = ", told anew" if isinstance(decision, ContinueChat) and decision.resend_instructions else ""
        return f"{explain(decision)} in {chat}{resent}"

    def _send(self, decision: Plan) -> tuple[str, list[Message]]:
        if isinstance(decision, ContinueChat):
            self.book.claim(decision.anchor)
            self.sent += len(decision.tail)
            chat = decision.anchor.chat_id
            return chat, [*self.nodes[chat, decision.anchor.parent_id], *decision.tail]
        self.sent += len(decision.messages)
        self.chats += 1
        return str(self.chats - 1), list(decision.messages)


def meaning(history: list[Message]) -> list[tuple[object, ...]]:
    """What the messages say, whatever a client's habits: outer space of answers, and a minted call by its id."""
    return [
        (
            message.role,
            message.text.strip(OUTER_SPACE) if message.role == "assistant" else message.text,
            [call.id if is_minted(call.id) else (call.name, call.arguments) for call in message.tool_calls],
            message.tool_call_id,
        )
        for message in history
    ]


def grown(history: list[Message], answer: Message, text: str) -> list[Message]:
    """The history after an answer and one more question."""
    return [*history, answer, user(text)]
