"""What is asked of Qwen for one request: which chat, which parent, which one message.

The client's history becomes either the words that are new since a known node (`ContinueChat`) or everything
(`StartChat`). A question can be put again: a retry goes to the same chat and parent, so that it becomes a sibling and
nothing is appended twice; after `restart` the whole original history goes to a new chat.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from qwen_bridge.conversation.canonical import instructions_digest, system_half
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import Scope, chain, extend
from qwen_bridge.conversation.planner import ContinueChat, Plan, candidates, explain, plan, start_over
from qwen_bridge.conversation.split import DOCUMENT_LIMIT, Document, Limits, Split, sent_size, too_long
from qwen_bridge.errors import InternalError
from qwen_bridge.events import ResponseStarted
from qwen_bridge.exchange.effects import Ask, Commit
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.repetition import Cause
from qwen_bridge.exchange.title import title_of
from qwen_bridge.exchange.tooling import Channel, Tooling
from qwen_bridge.exchange.wording import SystemChanges, Wording
from qwen_bridge.messages import ChatRequest, Message
from qwen_bridge.ports import Anchor, Clock, IdSource
from qwen_bridge.qwen.credentials import Credentials, request_headers
from qwen_bridge.qwen.files import ELEMENT_ALLOWANCE
from qwen_bridge.qwen.payload import Turn, completion, completions_path
from qwen_bridge.toolcalls.policy import ToolSettings
from qwen_bridge.toolcalls.report import Report

UPLOADS = 2
"""How often an upload is tried whose connection breaks."""

FILE_FRESH = 240.0
"""Seconds for which an uploaded file is used: Qwen reads it from an address that is good for five minutes."""

_SOME_ID = "00000000-0000-0000-0000-000000000000"
"""As long as every id of Qwen's."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How questions are put; the same for every request of one configuration.

    `origin` is Qwen's address without a path, `message_limit` the largest request body in bytes, `inline_limit` the
    body from which on a file is used where `uploads` are possible.
    """

    origin: str
    message_limit: int
    parent_from: Literal["response_id", "parent_id"]
    system_changes: SystemChanges
    thinking: Literal["auto", "on", "off"]
    inline_limit: int
    uploads: bool
    tool_format: Literal["auto", "hermes", "qwen_xml"]
    tool_channel: Channel = "text"
    record: bool = False
    tool_settings: ToolSettings = field(default_factory=ToolSettings)
    habits: Habits = field(default_factory=Habits)
    """What was learnt about the models on the way: the one thing here that changes."""


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
        self._clock = clock
        self._ids = ids
        self.tooling = Tooling(
            request, scope.model, manner.tool_format, ids, manner.habits, channel=manner.tool_channel
        )
        self.tooling.listens = manner.record
        self.tooling.settings = manner.tool_settings
        self._keys = chain(scope, request.dialogue)
        self._instructions = instructions_digest(request)
        seen.put(system_half(self._instructions), request.instructions)
        self._wording = Wording(request, self.tooling, self._instructions, seen, manner.system_changes)
        self._chat_id: str | None = None
        self._below = ""  # the answer below which a call is asked for
        self._split: Split | None = None
        self._file: tuple[dict[str, Any], float] | None = None  # its element of `files`, and when it was uploaded
        self._lost_uploads = 0
        self._saved = 0
        self.plan: Plan | None = None
        self.request_bytes = 0
        self.passing = False
        """Whether its chat is deleted once it is answered: nothing is remembered of it then."""

    @property
    def opening(self) -> str:
        """The key of the conversation's first message: the same for all its turns; empty without one."""
        return self._keys[0] if self._keys else ""

    @property
    def lookups(self) -> list[str]:
        """The keys whose anchors would help, deepest first."""
        return candidates(self.request, self._keys)

    def decide(
        self, found: Mapping[str, Sequence[Anchor]], *, busy: Collection[str] = (), avoid: Collection[str] = ()
    ) -> None:
        """Choose where to continue, from what is known of `lookups`; chats in `busy` last, those in `avoid` never."""
        told = self.tooling.told(self._instructions)
        self._follow(plan(self.request, self._keys, found, told, busy=busy, avoid=avoid))
        self._chat_id = self.anchor.chat_id if self.anchor is not None else None

    def restart(self, reason: str) -> None:
        """Leave the node that failed: the whole original history goes to a new chat."""
        if isinstance(self.plan, ContinueChat) and self.plan.broken_off and reason == "parent_refused":
            self._manner.habits.refused_question()
        self._follow(start_over(self.request, reason))
        self._chat_id = None

    def repeat(self, cause: Cause, report: Report, below: ResponseStarted | None = None) -> None:
        """Put the question again, at the same place, in words that say why; see `repetition`.

        Or ask `below` the answer that lies there for the call that it did not give whole.
        """
        self.tooling.repeat(cause, report, above=below is not None)
        self._split = self._file = None
        if below is not None:
            self._below = below.response_id
            text = self.tooling.repetition
            self._split = Split(text, (), sent_size(text))

    def leave_channel(self) -> bool:
        """Teach tools in the text, after the site refused them on its own channel; False where they were in it."""
        left = self.tooling.leave_channel()
        if left:
            self._split = self._file = None
        return left

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
        """What the chat is called in Qwen's side bar."""
        return title_of(self.request)

    def opened(self, chat_id: str) -> None:
        """A chat was opened. It serves every further attempt until `restart`."""
        self._chat_id = chat_id

    def check(self) -> None:
        """Raise what `ask` would raise about the words, before a chat is opened for them and left empty."""
        if self._split is None:
            self._split = self._divide(self._limits(self._manner.uploads))

    @property
    def document(self) -> Document | None:
        """What is to be uploaded, and handed to `attach`, before `ask`: the part that is too long for the message.

        None when nothing is, or when it was uploaded a moment ago. Raises as `check` does.
        """
        self.check()
        fresh = self._file is not None and self._clock.now() - self._file[1] < FILE_FRESH
        return None if fresh or self._split is None or not self._split.documents else self._split.documents[0]

    def attach(self, element: dict[str, Any]) -> None:
        """The document was uploaded; `element` stands for it in a message. It serves every attempt for a while."""
        self._file = (element, self._clock.now())

    def lost_an_upload(self) -> bool:
        """The connection broke under an upload; whether that may be tried again."""
        self._lost_uploads += 1
        return self._lost_uploads < UPLOADS

    def stay_whole(self, because: str) -> None:
        """There can be no file, for the reason that the sentence `because` gives: the message travels undivided.

        Raises `ContextTooLong`, with the sizes and the reason, when the firewall would not let it through.
        """
        self.check()
        limits = self._limits(files=False)
        if self._split is not None and self._split.size > limits.inline:
            raise too_long(self._split.size, limits, because)
        self._split, self._file = self._divide(limits), None

    def ask(self, credentials: Credentials) -> Ask:
        """The completion call of this attempt.

        Raises `ContextTooLong` with the sizes when the words fit neither into a message nor into a file, and
        `UnsupportedParameter` when they hold a picture or a file.
        """
        self.check()
        split = self._split
        if self._chat_id is None or split is None or (split.documents and self._file is None):
            raise InternalError(
                "The bridge asked before it had a chat or a file. Nothing was sent. Please report this."
            )
        files = (self._file[0],) if self._file is not None else ()
        body = self._body(self._chat_id, split.text, files)
        # What is asked below an answer is little, and the context behind it no smaller than before.
        self.request_bytes = max(len(body) + self._file_bytes, self.request_bytes if self._below else 0)
        headers = request_headers(
            credentials, origin=self._manner.origin, referer_chat_id=self._chat_id, request_id=self._ids.uuid()
        )
        return Ask("POST", completions_path(self._chat_id), tuple(headers), body)

    def commit(self, started: ResponseStarted, answer: Message) -> Commit | None:
        """What to remember once `answer` is complete; None when the request has no turn, the answer no node, or the
        chat no future.
        """
        parent = started.response_id if self._manner.parent_from == "response_id" else started.user_id
        if not self._keys or not parent:
            return None
        if isinstance(self.plan, ContinueChat) and self.plan.broken_off:
            self._manner.habits.took_question()
        commit = self._committed(extend(self._keys[-1], answer), parent, len(self._keys) + 1)
        if commit is None or not self._below:
            return commit
        return replace(commit, anchor=replace(commit.anchor, previous=self._below))

    def commit_unanswered(self, started: ResponseStarted) -> Commit | None:
        """What to remember of an answer that is none to go on from: the node of its question.

        Below it the next turn tells the answer as the client has it, and no word of the history again.
        """
        if not self._keys or not started.user_id or not self._manner.habits.takes_questions():
            return None
        return self._committed(self._keys[-1], started.user_id, len(self._keys))

    def _committed(self, key: str, node: str, depth: int) -> Commit | None:
        if self.passing or self._chat_id is None:
            return None
        anchor = Anchor(
            chat_id=self._chat_id,
            parent_id=node,
            model=self.scope.model,
            account=self.scope.account,
            instructions=self.tooling.told(self._instructions, self.anchor.instructions if self.anchor else None),
            depth=depth,
            previous=self.anchor.parent_id if self.anchor is not None else "",
        )
        return Commit(key, anchor)

    @property
    def route(self) -> str:
        """Where the conversation went, for header and log; see `planner.explain`.

        `saved=N` are the bytes of text, as they would be sent, that the chat holds already; `file=N` is the size of an
        attached file.
        """
        if self.plan is None:
            return "undecided"
        saved = f" saved={self._saved}" if self._saved else ""
        return explain(self.plan) + saved + (f" file={self._file_bytes}" if self._file_bytes else "")

    def _follow(self, plan: Plan) -> None:
        """Take this way; what was worded for another is of no use."""
        self.plan = plan
        self._split = self._file = None
        self._saved = 0

    @property
    def _file_bytes(self) -> int:
        documents = self._split.documents if self._split is not None else ()
        return sum(len(document.text.encode("utf-8", "replace")) for document in documents)

    def _body(self, chat_id: str, content: str, files: tuple[dict[str, Any], ...] = ()) -> bytes:
        turn = Turn(
            chat_id=chat_id,
            parent_id=self._below or (self.anchor.parent_id if self.anchor is not None else None),
            model=self.scope.model,
            content=content,
            thinking=self._thinking(),
            message_id=self._ids.uuid(),
            answer_id=self._ids.uuid(),
            timestamp=int(self._clock.now()),
            files=files,
            local_mcp=self.tooling.local_mcp,
        )
        return completion(turn)

    def _limits(self, files: bool) -> Limits:
        """The room for the text: what the body has around it, and the element of a file, is taken off."""
        envelope = len(self._body(self._chat_id or _SOME_ID, ""))
        most = self._manner.message_limit - envelope
        if not files:
            return Limits(most, 0)
        return Limits(min(self._manner.inline_limit - envelope, most - ELEMENT_ALLOWANCE), DOCUMENT_LIMIT)

    def _divide(self, limits: Limits) -> Split:
        split, self._saved = self._wording.divided(self.plan, limits)
        return split

    def _thinking(self) -> bool:
        if self._below:
            return False  # what is asked for there was thought out before
        return bool(self.request.thinking) if self._manner.thinking == "auto" else self._manner.thinking == "on"
