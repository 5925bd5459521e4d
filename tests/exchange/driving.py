"""A driver without a network: it carries out an exchange's effects as the proxy does, against a Qwen that is a script.

It is as strict as a proxy must be: it fails when effects come in an order that no client could be told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, assert_never

from qwen_bridge.conversation.canonical import instructions_digest
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import Scope
from qwen_bridge.exchange.deadlines import Terms
from qwen_bridge.exchange.effects import Again, Begin, Commit, Data, Effect, End, Forget, Headers, Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.question import Manner, Question
from qwen_bridge.messages import ChatRequest, Message, TextPart
from qwen_bridge.ports import Anchor
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.recovery.policy import RecoveryPolicy
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from qwen_bridge.surfaces.surface import AnswerHead
from tests.harness.ports import CountedIds, FixedClock

ORIGIN = "https://chat.qwen.ai"
SCOPE = Scope("client", "account", "qwen3-max")
CREDENTIALS = Credentials("token", "", "umid", "Mozilla/5.0")
MANNER = Manner(ORIGIN, 117_000, "response_id", "diff", "auto", inline_limit=90_000, uploads=False, tool_format="auto")
EVENT_STREAM: Headers = (("content-type", "text/event-stream; charset=utf-8"),)
JSON: Headers = (("content-type", "application/json"),)
TERMS = Terms(RecoveryPolicy(), first_byte=120.0, idle=60.0, total=1800.0, keepalive=15.0, jitter=lambda: 0.0)


@dataclass(frozen=True)
class Answer:
    """What Qwen does in one attempt. Without a status it does nothing before the `ending`."""

    body: bytes | Sequence[bytes] = b""
    status: int | None = 200
    headers: Headers = EVENT_STREAM
    ending: Literal["finished", "lost", "silent"] = "finished"

    @property
    def pieces(self) -> Sequence[bytes]:
        return (self.body,) if isinstance(self.body, bytes) else self.body


def refused(code: str, details: str, status: int = 200, *more: tuple[str, str]) -> Answer:
    """A refusal in the site's second envelope."""
    body = {"success": False, "request_id": "r", "data": {"code": code, "details": details}}
    return Answer(json.dumps(body).encode(), status, (*JSON, *more))


NO_CONNECTION = Answer(status=None, ending="lost")
PARENT_REFUSED = refused("Bad_Request", "parent_id abc not exist.")
CHAT_GONE = refused("Bad_Request", "The chat has been deleted.")
CHAT_BUSY = refused("Bad_Request", "The chat is in progress!")
TOO_MANY = refused("ParallelLimited", "Too many.", 429)
NO_QUOTA = refused("RateLimited", "You have reached the daily usage limit.")
EMPTY = Answer(b"")


@dataclass
class Told:
    """What a driver was asked to do, sorted."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    over: bool = False
    waits: list[float] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    forgotten: list[Forget] = field(default_factory=list)
    stopped: list[Stop] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def take(self, effects: Iterable[Effect]) -> None:
        """Carry out effects; fails on an order that is not HTTP."""
        for effect in effects:
            assert not self.over, f"{effect} after the end"
            self.order.append(type(effect).__name__)
            match effect:
                case Begin(status, headers):
                    assert not self.status, "two heads"
                    self.status, self.headers = status, dict(headers)
                case Data(chunk):
                    assert self.status, "bytes of a body before the head"
                    assert chunk, "an empty piece"
                    self.body += chunk
                case End():
                    assert self.status, "an end without a head"
                    self.over = True
                case Again(delay):
                    assert delay >= 0
                    self.waits.append(delay)
                case Commit():
                    self.commits.append(effect)
                case Forget():
                    self.forgotten.append(effect)
                case Stop():
                    self.stopped.append(effect)
                case _:
                    assert_never(effect)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def chunks(self) -> list[Any]:
        """The data of the streamed events, decoded; `[DONE]` is left out."""
        lines = [line.removeprefix(b"data: ") for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return [json.loads(line) for line in lines if line != b"[DONE]"]

    @property
    def said(self) -> tuple[str, str]:
        """Text and reasoning, whether streamed or whole."""
        if self.headers["content-type"] == "application/json":
            deltas = [choice["message"] for choice in self.json["choices"]]
        else:
            deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        text = "".join(delta.get("content") or "" for delta in deltas)
        return text, "".join(delta.get("reasoning_content") or "" for delta in deltas)

    @property
    def error(self) -> dict[str, Any]:
        """The error object, whether it came as a document or as the last event."""
        whole = self.headers["content-type"] == "application/json"
        error: dict[str, Any] = (self.json if whole else self.chunks[-1])["error"]
        return error


class Driver:
    """One client request on its way. `asked` are the decoded bodies that went to Qwen."""

    def __init__(self, request: ChatRequest, terms: Terms = TERMS, manner: Manner = MANNER) -> None:
        ids = CountedIds()
        if manner is MANNER:
            manner = replace(MANNER, habits=Habits())  # what one test learns is no other's
        self.question = Question(request, SCOPE, manner, InstructionsBook(), FixedClock(), ids)
        self.exchange = Exchange(
            ChatCompletions(), AnswerHead("chatcmpl-1", 7, "gpt-4o"), self.question, terms, "req_1"
        )
        self.told = Told()
        self.asked: list[dict[str, Any]] = []
        self._chats = 0

    def ask(self, found: Mapping[str, Sequence[Anchor]] | None = None) -> None:
        """What happens before an attempt: decide, open a chat, build the question."""
        if self.question.plan is None:
            self.question.decide(found or {})
        if self.question.needs_chat:
            self._chats += 1
            self.question.opened(f"new-{self._chats}")
        self.asked.append(json.loads(self.question.ask(CREDENTIALS).body))

    def play(self, *answers: Answer, found: Mapping[str, Sequence[Anchor]] | None = None) -> Told:
        """Ask, and ask again when told to; the answers come in their order. Fails when there is none left."""
        waiting = iter(answers)
        self.ask(found)
        while self.attempt(next(waiting)):
            self.ask()
        assert not list(waiting), "answers were left over"
        return self.told

    def attempt(self, answer: Answer) -> bool:
        """One attempt; whether there is to be another."""
        before = len(self.told.waits)
        for effects in self._happenings(answer):
            self.told.take(effects)
            if len(self.told.waits) > before:
                return True
            if self.told.over:
                return False
        return False

    def _happenings(self, answer: Answer) -> Iterable[Sequence[Effect]]:
        if answer.status is not None:
            yield self.exchange.responded(answer.status, answer.headers)
            for piece in answer.pieces:
                yield self.exchange.feed(piece)
        if answer.ending == "finished":
            yield self.exchange.finished()
        elif answer.ending == "lost":
            yield self.exchange.lost()


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def assistant(text: str) -> Message:
    return Message("assistant", (TextPart(text),))


def asking(*messages: Message, stream: bool = True, **more: Any) -> ChatRequest:
    """A request; without messages it is a single question."""
    return ChatRequest("gpt-4o", messages or (user("How are you?"),), stream=stream, **more)


HISTORY = (Message("system", (TextPart("Be kind."),)), user("One?"), assistant("One."), user("Two?"))


def continuing(driver: Driver, chat_id: str = "old-chat", parent_id: str = "old-node") -> dict[str, list[Anchor]]:
    """What a store knows when the history up to its last answer lies in a chat."""
    key = driver.question.lookups[0]
    seen = instructions_digest(driver.question.request)
    return {key: [Anchor(chat_id, parent_id, SCOPE.model, SCOPE.account, seen, 2)]}
