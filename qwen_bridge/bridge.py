"""The composition root: settings, store, client and clock become exchanges.

This is where effects are chosen and awaited. A front end (`proxy`) hands in a client's call, gets an `Exchange` or a
whole answer, asks for the next question to Qwen, and reports what happened.
"""

from __future__ import annotations

import hashlib
import random
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from qwen_bridge.admission import Admission
from qwen_bridge.catalog import Catalog
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import Scope
from qwen_bridge.conversation.split import Document
from qwen_bridge.conversations import Conversations, open_store
from qwen_bridge.errors import (
    ChallengeRequired,
    ConnectionLost,
    CredentialError,
    QuotaExceeded,
    QwenError,
    QwenUnreachable,
    TooManyStreams,
    WireError,
)
from qwen_bridge.exchange.aside import is_aside
from qwen_bridge.exchange.deadlines import Terms
from qwen_bridge.exchange.effects import Ask, Commit, Effect, Forget, Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.question import Manner, Question
from qwen_bridge.exchange.reply import whole
from qwen_bridge.machine import RandomIds, SystemClock
from qwen_bridge.ports import Clock, ConversationStore, IdSource, Metrics, StoreUnavailable, Uncounted
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.files import TextFile
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.recovery.pacing import Pace
from qwen_bridge.recovery.policy import RecoveryPolicy
from qwen_bridge.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions as ChatCompletionsSurface
from qwen_bridge.surfaces.models import list_body, one_body
from qwen_bridge.surfaces.routes import ChatCompletions, GetModel, ListModels, Preflight, route, route_name
from qwen_bridge.surfaces.surface import AnswerHead
from qwen_bridge.tidying import Tidier
from qwen_bridge.upstream.client import QwenClient
from qwen_bridge.upstream.files import DocumentUploader, Patience

log = structlog.get_logger("qwen_bridge")

UPLOAD_PATIENCE = Patience()
"""How long a document may take until Qwen has read it."""

CHAT_WAIT = 3.0
"""Seconds for which a request waits for its chat before it branches off with the whole history."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sent, whole. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """What it asks for, as a word for log and counters."""
        return route_name(self.method, self.path)


class Bridge:
    """Everything behind the front end, for one configuration. Close it with `aclose`."""

    def __init__(
        self,
        settings: Settings,
        store: ConversationStore,
        client: QwenClient,
        clock: Clock,
        ids: IdSource,
        uploader: DocumentUploader | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._uploader = uploader or DocumentUploader(client.call, clock, ids)
        self._clock = clock
        self._ids = ids
        self._credentials = credentials(settings)
        self._tidier = Tidier(client, self._credentials)
        bury = self._tidier.bury if settings.delete_chats == "expired" else None
        self._conversations = Conversations(store, clock, settings.conversation_ttl, bury)
        self._seen = InstructionsBook()
        pace = Pace(settings.account_streams, settings.pause, settings.queue_limit)
        self._admission = Admission(pace, settings.queue_timeout, clock)
        self._cooldown = CoolDown(settings.cooldown)
        self._surface = ChatCompletionsSurface()
        self._catalog = Catalog(client, clock, settings.model_aliases, settings.model, self._cooldown)
        self._terms = Terms(
            policy=RecoveryPolicy(attempts=settings.attempts, patience=settings.patience),
            first_byte=settings.first_byte_timeout,
            idle=settings.idle_timeout,
            total=settings.total_timeout,
            keepalive=settings.keepalive,
            jitter=random.random,  # spreads the retries of many clients; nobody gains from guessing it
        )
        self._manner = Manner(
            origin=settings.upstream,
            message_limit=settings.message_limit,
            parent_from=settings.parent_from,
            system_changes=settings.system_changes,
            thinking=settings.thinking,
            tool_format=settings.tool_format,
            inline_limit=settings.inline_limit,
            uploads=settings.uploads == "auto",
        )
        self.metrics: Metrics = Uncounted()
        self._waiting_since: dict[str, float] = {}  # request id → when it found its chat busy

    @classmethod
    def from_settings(cls, settings: Settings, tls: ssl.SSLContext | bool = True) -> Self:
        """The bridge for `settings` with the real clock, ids, client and store.

        A store that cannot be opened is reported and replaced by memory: conversations then start anew after a
        restart, which costs tokens and nothing else.
        """
        clock, ids = SystemClock(), RandomIds()
        try:
            store = open_store(settings, clock)
        except StoreUnavailable as error:
            log.warning("conversations are kept in memory only", reason=str(error))
            store = MemoryStore(clock, max_anchors=settings.max_anchors)
        client = QwenClient(settings.upstream, clock, ids, tls)
        return cls(settings, store, client, clock, ids, DocumentUploader(client.call, clock, ids, tls))

    def meter(self, metrics: Metrics) -> None:
        """Count into `metrics` from now on."""
        self.metrics = self._conversations.metrics = metrics

    async def open(self, call: Call, request_id: str) -> Exchange | Sequence[Effect]:
        """Read a call. Returns the exchange it begins, or the whole answer when none is needed.

        Raises `BridgeError` for a call that cannot be served.
        """
        self._conversations.sweep_from_now_on()
        match route(call.method, call.path):
            case ChatCompletions():
                return await self._begin(call, request_id)
            case ListModels():
                cards = await self._catalog.cards(self._credentials)
                return whole(200, list_body(cards), (("x-request-id", request_id),))
            case GetModel(name):
                card = await self._catalog.card(self._credentials, name)
                return whole(200, one_body(card), (("x-request-id", request_id),))
            case Preflight(methods):
                return whole(204, b"", (("allow", ", ".join(methods)), ("x-request-id", request_id)))

    async def admit(self, exchange: Exchange) -> bool:
        """Whether the exchange may ask Qwen now; if not, it is to be asked again.

        Raises what `Admission.admit` does, and while the session rests what Qwen said.
        """
        session, ticket = self._credentials.fingerprint, exchange.request_id
        self._cooldown.look(session, self._clock.monotonic(), ticket)
        admitted = await self._admission.admit(exchange)
        if admitted:
            self._cooldown.check(session, ticket, self._clock.monotonic())
        return admitted

    def wake(self, request_id: str) -> None:
        """A client has left, or all have to: a request that waits looks up at once."""
        self._admission.wake(request_id)

    def release(self, exchange: Exchange) -> None:
        """The exchange is over, however it ended. An answer that Qwen may still be writing is stopped. Idempotent."""
        self._admission.release(exchange)
        self._waiting_since.pop(exchange.request_id, None)
        if verdict := self._cooldown.judge(self._credentials.fingerprint, exchange, self._clock.monotonic()):
            log.warning(f"the Qwen session {verdict}")
        if stop := exchange.unheard:
            self._tidier.stop(stop, lambda: stop.chat_id in self._admission.busy(exchange))
        if exchange.question.passing and exchange.question.chat_id:
            exchange.question.passing = False
            self._tidier.delete(exchange.question.chat_id)

    async def ask(self, exchange: Exchange) -> Ask | None:
        """The next request to Qwen for this exchange. Raises `BridgeError`.

        Where it is needed a document is uploaded and a chat is opened before.
        None while the chat it belongs to is still answering somebody else, or the account wants a pause: it is to be
        asked again in a moment.
        """
        question = exchange.question
        self._credentials.require(self._clock.now())
        if question.plan is None and not await self._decide(exchange):
            exchange.held()
            return None
        question.check()
        if not await self._admission.pause(exchange):
            return None
        if question.document is not None:
            await self._attach(question, question.document)
        if question.needs_chat:
            question.opened(await self._client.open_chat(self._credentials, question.scope.model, question.title))
        ask = question.ask(self._credentials)
        self._admission.hold(exchange)
        return ask

    async def remember(self, effect: Commit | Forget) -> None:
        """Carry out a memory effect; see `Conversations.remember`."""
        await self._conversations.remember(effect)

    async def stop(self, exchange: Exchange, effect: Stop) -> None:
        """End what Qwen may still write in the exchange's chat, unless another has taken it; see `Tidier.stopped`."""
        await self._tidier.stopped(effect, lambda: effect.chat_id in self._admission.busy(exchange))

    def now(self) -> float:
        """Seconds on a clock that never jumps."""
        return self._clock.monotonic()

    def lists(self, model: str) -> bool:
        """Whether a list or a setting names this model of Qwen's; otherwise it is a word of the client's."""
        return self._catalog.lists(model)

    def request_id(self) -> str:
        """A new id for `x-request-id`."""
        return f"req_{self._ids.token()}"

    async def aclose(self) -> None:
        """Let what is under way end, then close store and client."""
        await self._tidier.aclose()
        await self._conversations.aclose()
        await self._uploader.aclose()
        await self._client.aclose()

    async def _begin(self, call: Call, request_id: str) -> Exchange:
        request = self._surface.parse(call.body)
        self._credentials.require(self._clock.now())
        scope = Scope(
            client=hashlib.sha256(call.headers.get("authorization", "").encode()).hexdigest(),
            account=self._credentials.account,
            model=await self._catalog.resolve(self._credentials, request.model),
        )
        question = Question(request, scope, self._manner, self._seen, self._clock, self._ids)
        question.passing = self._settings.delete_chats == "side" and is_aside(request)
        head = AnswerHead(self._surface.id_prefix + self._ids.token(), int(self._clock.now()), request.model)
        exchange = Exchange(self._surface, head, question, self._terms, request_id)
        self._admission.announce(exchange, (scope.client, call.headers.get("user-agent", ""), question.opening))
        return exchange

    async def _decide(self, exchange: Exchange) -> bool:
        """Choose where the conversation goes; False while it is worth waiting for a busy chat.

        After `CHAT_WAIT` seconds a second request for the same history branches off into a chat of its own.
        """
        question = exchange.question
        found = await self._conversations.find(question.lookups)
        busy = self._admission.busy(exchange)
        question.decide(found, busy=busy)
        if question.anchor is not None and question.anchor.chat_id in busy:
            since = self._waiting_since.setdefault(exchange.request_id, self._clock.monotonic())
            if self._clock.monotonic() - since < CHAT_WAIT:
                question.plan = None
                return False
            question.decide(found, avoid=busy)
        self._waiting_since.pop(exchange.request_id, None)
        if question.anchor is not None:
            self._conversations.claim(question.anchor)
            self._admission.hold(exchange)  # at once: whoever comes while this one pauses must find it busy
        return True

    async def _attach(self, question: Question, document: Document) -> None:
        """Upload what does not fit into the message. Where that cannot be, the message travels whole or not at all.

        What is wrong with the session or the account is told as such, and a broken connection is left to the recovery
        policy once: a client that hears `context_length_exceeded` throws a part of its history away.
        """
        try:
            element = await self._uploader.upload(self._credentials, TextFile.of(*document), UPLOAD_PATIENCE)
        except (CredentialError, ChallengeRequired, QuotaExceeded, TooManyStreams):
            raise
        except (QwenUnreachable, ConnectionLost) as error:
            if question.lost_an_upload():
                raise
            question.stay_whole(error.message)
        except (QwenError, WireError) as error:
            question.stay_whole(error.message)
        else:
            question.attach(element)
            self.metrics.count("bytes_uploaded", len(document.text.encode("utf-8", "replace")))
            log.info("a part of a message travels as a file", bytes=len(document.text), name=document.filename)


def credentials(settings: Settings) -> Credentials:
    """The credentials that the settings hold, complete or not."""
    secret = (settings.token, settings.cookies, settings.bx_umidtoken)
    token, cookies, umid = ("" if value is None else value.get_secret_value() for value in secret)
    return Credentials(token=token, cookies=cookies, bx_umidtoken=umid, user_agent=settings.user_agent or "")
