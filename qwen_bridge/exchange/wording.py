"""How a plan becomes the words of one message: what the chat does not know yet, and nothing that it knows.

A chat that goes on hears the tail, with the instructions and the tools where it last saw others; a new one hears
everything. What is too long for a message goes into a document (`conversation.split`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from qwen_bridge.conversation.canonical import system_half, tools_half
from qwen_bridge.conversation.changes import changes
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.planner import ContinueChat, Plan, StartChat
from qwen_bridge.conversation.split import Limits, Split, sent_size, split_start, split_tail
from qwen_bridge.conversation.transcript import Block
from qwen_bridge.errors import InternalError, UnsupportedParameter
from qwen_bridge.exchange.tooling import Tooling
from qwen_bridge.messages import ChatRequest, Message, TextPart

type SystemChanges = Literal["diff", "resend", "ignore"]


class Wording:
    """The words of one request, for any plan. `instructions` is its `instructions_digest`.

    `seen` holds the system texts of earlier requests: only what is in it can be told by its changes.
    """

    def __init__(
        self,
        request: ChatRequest,
        tooling: Tooling,
        instructions: str,
        seen: InstructionsBook,
        system_changes: SystemChanges,
    ) -> None:
        self._request = request
        self._tooling = tooling
        self._instructions = instructions
        self._seen = seen
        self._system_changes = system_changes

    def divided(self, plan: Plan | None, limits: Limits) -> tuple[Split, int]:
        """What is said, and the bytes of text (as they would be sent) that the chat of `plan` holds already.

        Raises `ContextTooLong` where `limits` leave no room, and `UnsupportedParameter` for a picture or a file.
        """
        match plan:
            case ContinueChat():
                return self._tail(plan, limits)
            case StartChat():
                _refuse_attachments(plan.messages)
                parts = self._parts(plan.messages, ())
                return split_start(parts, self._request.instructions, self._tooling.text, limits), 0
        raise InternalError("The bridge asked before it had a plan. Nothing was sent. Please report this.")

    def _tail(self, plan: ContinueChat, limits: Limits) -> tuple[Split, int]:
        _refuse_attachments(plan.tail)
        known = self._request.dialogue[: plan.known]
        news, changed = self._news(plan)
        tools = self._tool_news(plan)
        split = split_tail(self._parts(plan.tail, known), news, tools, limits, changed=changed)
        told = sent_size(news or changed) + sent_size(tools or "")
        whole = _size_of(known) + sent_size(self._request.instructions) + sent_size(self._tooling.text)
        return split, max(0, whole - told)

    def _parts(self, messages: Sequence[Message], known: Sequence[Message]) -> list[Block]:
        return self._tooling.parts(messages, known)

    def _tool_news(self, plan: ContinueChat) -> str | None:
        """The tools, when the chat has seen others; they are no instruction that could be ignored."""
        seen = plan.anchor.instructions
        same = tools_half(seen) == tools_half(self._tooling.told(self._instructions, seen))
        return None if same else self._tooling.text

    def _news(self, plan: ContinueChat) -> tuple[str | None, str]:
        """What the chat must hear of its instructions: all of them, or their changes, or (None and empty) nothing."""
        new, seen = self._request.instructions, system_half(plan.anchor.instructions)
        if seen == system_half(self._instructions) or self._system_changes == "ignore":
            return None, ""
        old = self._seen.get(seen)
        changed = changes(old, new) if old is not None and self._system_changes == "diff" else None
        return (new, "") if changed is None else (None, changed)


def _size_of(messages: Sequence[Message]) -> int:
    """Bytes of what is said in the messages, as they would be sent."""
    calls = (call.arguments for message in messages for call in message.tool_calls)
    return sum(map(sent_size, calls)) + sum(sent_size(message.text) for message in messages)


def _refuse_attachments(messages: Sequence[Message]) -> None:
    for message in messages:
        for part in message.parts:
            if not isinstance(part, TextPart):
                raise UnsupportedParameter(
                    "Pictures and files cannot be sent to Qwen by this bridge yet. Send the text only.",
                    param="messages",
                )
