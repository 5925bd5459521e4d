"""What is asked of Qwen for one request: which chat, which parent, which one message.

The client's history becomes either the words that are new since a known node (`ContinueChat`) or everything
(`StartChat`). A question can be put again: a retry goes to the same chat and parent, so that it becomes a sibling and
nothing is appended twice; after `restart` the whole original history goes to a new chat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qwen_bridge.conversation.canonical import instructions_digest
from qwen_bridge.conversation.changes import changes
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import Scope, chain, extend
from qwen_bridge.conversation.planner import ContinueChat, Plan, StartChat, candidates, explain, plan, start_over
from qwen_bridge.conversation.transcript import render_start, render_tail
from qwen_bridge.errors import ContextTooLong, InternalError, UnsupportedParameter
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Ask, Commit
from qwen_bridge.messages import ChatRequest, Message, TextPart
from qwen_bridge.ports import Anchor, Clock, IdSource
from qwen_bridge.qwen.credentials import Credentials, request_headers
from qwen_bridge.qwen.payload import Turn, completion, completions_path

TITLE_LENGTH = 60
"""Characters of the first question that become the chat's title in Qwen's side bar."""

_SOME_CHAT = "00000000-0000-0000-0000-000000000000"
"""As long as every chat's id."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How questions are put; the same for every request of one configuration.

    `origin` is Qwen's address without a path, `message_limit` the largest request body in bytes.
    """

    origin: str
    message_limit: int
    parent_from: Literal["response_id", "parent_id"]
    system_changes: Literal["diff", "resend", "ignore"]
    thinking: Literal["auto", "on", "off"]


class Question:
    """One client request on its way to Qwen.

    `request` is the whole original request and never changes: every attempt is built from it.
    """

    def __init__(
        self, request: ChatRequest, scope: Scope, manner: Manner, seen: InstructionsBook, clock: Clock, ids: IdSource
    ) -> None:
        self.request = request
        self.scope = scope
        self._manner = manner
        self._seen = seen
        self._clock = clock
        self._ids = ids
        self._keys = chain(scope, request.dialogue)
        self._instructions = instructions_digest(request)
        seen.put(self._instructions, request.instructions)
        self._chat_id: str | None = None
        self.plan: Plan | None = None
        self.request_bytes = 0

    @property
    def lookups(self) -> list[str]:
        """The keys whose anchors would help, deepest first."""
        return candidates(self.request, self._keys)

    def decide(
        self, found: Mapping[str, Sequence[Anchor]], *, busy: Collection[str] = (), avoid: Collection[str] = ()
    ) -> None:
        """Choose where to continue, from what is known of `lookups`; chats in `busy` last, those in `avoid` never."""
        self.plan = plan(self.request, self._keys, found, self._instructions, busy=busy, avoid=avoid)
        self._chat_id = self.anchor.chat_id if self.anchor is not None else None

    def restart(self, reason: str) -> None:
        """Leave the node that failed: the whole original history goes to a new chat."""
        self.plan = start_over(self.request, reason)
        self._chat_id = None

    @property
    def anchor(self) -> Anchor | None:
        """The node this attempt continues from, None in a new chat."""
        return self.plan.anchor if isinstance(self.plan, ContinueChat) else None

    @property
    def chat_id(self) -> str:
        """The chat of the present attempt; empty before there is one."""
        return self._chat_id or ""

    @property
    def needs_chat(self) -> bool:
        """Whether a chat has to be opened before `ask`."""
        return self._chat_id is None

    @property
    def title(self) -> str:
        """What the chat is called in Qwen's side bar: the first line of the first question."""
        lines = (line.strip() for m in self.request.dialogue if m.role == "user" for line in m.text.splitlines())
        first = next((line for line in lines if line), "New Chat")
        return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1] + "…"

    def opened(self, chat_id: str) -> None:
        """A chat was opened. It serves every further attempt until `restart`."""
        self._chat_id = chat_id

    def check(self) -> None:
        """Raise what `ask` would raise about the words, before a chat is opened for them and left empty."""
        self._body(_SOME_CHAT)

    def ask(self, credentials: Credentials) -> Ask:
        """The completion call of this attempt.

        Raises `ContextTooLong` with the sizes when the body would be larger than Qwen's firewall lets through, and
        `UnsupportedParameter` when the words to be sent hold a picture or a file.
        """
        if self._chat_id is None:
            raise InternalError("The bridge asked before it had a chat. Nothing was sent. Please report this.")
        body = self._body(self._chat_id)
        self.request_bytes = len(body)
        headers = request_headers(
            credentials, origin=self._manner.origin, referer_chat_id=self._chat_id, request_id=self._ids.uuid()
        )
        return Ask("POST", completions_path(self._chat_id), tuple(headers), body)

    def commit(self, started: ResponseStarted, answer: Message) -> Commit | None:
        """What to remember once `answer` is complete; None when the request has no turn, or the answer no node."""
        parent = started.response_id if self._manner.parent_from == "response_id" else started.user_id
        if not self._keys or not parent:
            return None
        anchor = Anchor(
            chat_id=self._chat_id or started.chat_id,
            parent_id=parent,
            model=self.scope.model,
            account=self.scope.account,
            instructions=self._instructions,
            depth=len(self._keys) + 1,
            previous=self.anchor.parent_id if self.anchor is not None else "",
        )
        return Commit(extend(self._keys[-1], answer), anchor)

    @property
    def route(self) -> str:
        """Where the conversation went, for header and log; see `planner.explain`."""
        return explain(self.plan) if self.plan is not None else "undecided"

    def _body(self, chat_id: str) -> bytes:
        if self.plan is None:
            raise InternalError("The bridge asked before it had a plan. Nothing was sent. Please report this.")
        turn = Turn(
            chat_id=chat_id,
            parent_id=self.anchor.parent_id if self.anchor is not None else None,
            model=self.scope.model,
            content=self._content(self.plan),
            thinking=self._thinking(),
            message_id=self._ids.uuid(),
            answer_id=self._ids.uuid(),
            timestamp=int(self._clock.now()),
        )
        body = completion(turn)
        self._check_size(body)
        return body

    def _content(self, plan: Plan) -> str:
        match plan:
            case ContinueChat():
                _refuse_attachments(plan.tail)
                known = self.request.dialogue[: plan.known]
                news, changed = self._news(plan)
                return render_tail(plan.tail, news, None, changed=changed, known=known)
            case StartChat():
                _refuse_attachments(plan.messages)
                return render_start(plan.messages, self.request.instructions)

    def _news(self, plan: ContinueChat) -> tuple[str | None, str]:
        """What the chat must hear of its instructions: all of them, or their changes, or (None and empty) nothing."""
        new = self.request.instructions
        if not plan.resend_instructions or self._manner.system_changes == "ignore":
            return None, ""
        old = self._seen.get(plan.anchor.instructions)
        changed = changes(old, new) if old is not None and self._manner.system_changes == "diff" else None
        return (new, "") if changed is None else (None, changed)

    def _thinking(self) -> bool:
        return bool(self.request.thinking) if self._manner.thinking == "auto" else self._manner.thinking == "on"

    def _check_size(self, body: bytes) -> None:
        limit = self._manner.message_limit
        if len(body) > limit:
            raise ContextTooLong(
                f"This turn needs a message of {len(body):,} bytes, and Qwen's web chat takes about {limit:,}. "
                "Start a new conversation, let the client condense its history, or send less at once.",
                param="messages",
            )


def _refuse_attachments(messages: Sequence[Message]) -> None:
    for message in messages:
        for part in message.parts:
            if not isinstance(part, TextPart):
                raise UnsupportedParameter(
                    "Pictures and files cannot be sent to Qwen by this bridge yet. Send the text only.",
                    param="messages",
                )
