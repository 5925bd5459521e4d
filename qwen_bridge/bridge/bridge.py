"""The composition root: settings, store, client and clock become exchanges.

This is where effects are chosen and awaited. A front end (`proxy`) hands in a client's call, gets an `Exchange` or a
whole answer, asks for the next question to Qwen, and reports what happened.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Self

import structlog

from qwen_bridge.bridge.admission import Admission
from qwen_bridge.bridge.attaching import attach
from qwen_bridge.bridge.caching import Caching, marks
from qwen_bridge.bridge.call import Call as Call  # for everybody who hands one in
from qwen_bridge.bridge.choices import manner, terms
from qwen_bridge.bridge.clients import Clients
from qwen_bridge.bridge.conversations import Conversations, open_store
from qwen_bridge.bridge.leases import Leases
from qwen_bridge.bridge.machine import RandomIds, SystemClock
from qwen_bridge.bridge.overview import Overview
from qwen_bridge.bridge.profiles import Profile, bury, profiles
from qwen_bridge.bridge.recordings import Recorder
from qwen_bridge.bridge.renewals import Renewals
from qwen_bridge.bridge.sessions import Sessions
from qwen_bridge.conversation.instructions import InstructionsBook
from qwen_bridge.conversation.keys import Scope
from qwen_bridge.errors import BridgeError, MissingCredentials
from qwen_bridge.exchange.aside import is_aside
from qwen_bridge.exchange.effects import Ask, Commit, Effect, Forget, Headers, Stop
from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.exchange.question import Question
from qwen_bridge.exchange.record import record_of
from qwen_bridge.exchange.reply import whole
from qwen_bridge.ports import Clock, ConversationStore, IdSource, Metrics, StoreUnavailable, Uncounted
from qwen_bridge.qwen.renewal import for_learning
from qwen_bridge.recovery.cooldown import CoolDown
from qwen_bridge.recovery.pacing import Pace
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.memory import MemoryStore
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions as ChatCompletionsSurface
from qwen_bridge.surfaces.models import list_body, one_body
from qwen_bridge.surfaces.routes import ChatCompletions, GetModel, ListModels, Preflight, route
from qwen_bridge.surfaces.surface import AnswerHead
from qwen_bridge.upstream.client import QwenClient
from qwen_bridge.upstream.files import DocumentUploader, store_pool

log = structlog.get_logger("qwen_bridge")

CHAT_WAIT = 3.0
"""Seconds for which a request waits for its chat before it branches off with the whole history."""


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
        self._uploader = uploader or DocumentUploader(client.call, clock, ids, store_pool())
        self._clock = clock
        self._ids = ids
        self._clients = Clients(settings)
        self._cooldown = CoolDown(settings.cooldown)
        self._sessions, self._renewals = Sessions(settings), Renewals(settings, clock)
        client.heard = self._renewals.heard
        self._profiles = profiles(settings, self._sessions, client, clock, self._cooldown)
        self._asked_as: dict[str, str] = {}  # request id → fingerprint of the session it was let through with
        burying = partial(bury, self._profiles.values()) if settings.delete_chats == "expired" else None
        self._conversations = Conversations(store, clock, settings.conversation_ttl, burying, settings.max_anchors)
        self._leases = Leases(store, ids)
        self._seen = InstructionsBook()
        pace = Pace(settings.account_streams, settings.pause, settings.queue_limit)
        self._admission = Admission(pace, settings.queue_timeout, clock, settings.keepalive / 3)
        self.overview = Overview(self._sessions, self._admission, self._cooldown, self._conversations, clock)
        self._surface = ChatCompletionsSurface()
        self._terms, self._manner = terms(settings), manner(settings, clock)
        self._caching = Caching(settings, clock)
        self.metrics: Metrics = Uncounted()
        self._recorder = Recorder(settings.recordings) if settings.recordings is not None else None
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
        proxy = settings.egress.url if settings.egress else None
        client = QwenClient(settings.upstream, clock, ids, tls, proxy)
        uploader = DocumentUploader(client.call, clock, ids, store_pool(tls, proxy))
        return cls(settings, store, client, clock, ids, uploader)

    def meter(self, metrics: Metrics) -> None:
        """Count into `metrics` from now on."""
        self.metrics = self._conversations.metrics = metrics

    async def open(self, call: Call, request_id: str) -> Exchange | Sequence[Effect]:
        """Read a call. Returns the exchange it begins, or the whole answer when none is needed.

        Raises `BridgeError` for a call that cannot be served.
        """
        self._conversations.sweep_from_now_on()
        try:
            return await self._open(call, request_id)
        except BridgeError as error:
            if self._settings.learns:
                error.message = for_learning(error.message)
            raise

    async def _open(self, call: Call, request_id: str) -> Exchange | Sequence[Effect]:
        named = (("x-request-id", request_id),)
        match route(call.method, call.path):
            case ChatCompletions():
                return await self._begin(call, request_id)
            case ListModels():
                profile = self._profile(call.headers)
                return whole(200, list_body(await profile.catalog.cards(profile.credentials)), named)
            case GetModel(name):
                profile = self._profile(call.headers)
                return whole(200, one_body(await profile.catalog.card(profile.credentials, name)), named)
            case Preflight(methods):
                return whole(204, b"", (("allow", ", ".join(methods)), *named))

    def object_to(self, method: str, headers: Mapping[str, str]) -> BridgeError | None:
        """Why a request will not be served, as far as its head tells: so that nobody need read its body."""
        try:
            if method != "OPTIONS":  # what a browser asks ahead of a call, without its key; it gets nothing but methods
                self._clients.identify(headers)
        except BridgeError as error:
            return error
        return None

    async def admit(self, exchange: Exchange) -> bool:
        """Whether the exchange may ask Qwen now; if not, it is to be asked again.

        Raises what `Admission.admit` does, and while the session rests what Qwen said.
        """
        session, ticket = self._of(exchange).credentials.fingerprint, exchange.request_id
        self._cooldown.look(session, self._clock.monotonic(), ticket)
        admitted = await self._admission.admit(exchange)
        if admitted:
            self._cooldown.check(session, ticket, self._clock.monotonic())
            self._asked_as[ticket] = session
        return admitted

    def wake(self, request_id: str) -> None:
        """A client has left, or all have to: a request that waits looks up at once."""
        self._admission.wake(request_id)

    def patience(self, request_id: str) -> float:
        """Seconds for which the stream of a request may wait in its hook; see `Admission.patience`."""
        return self._admission.patience(request_id)

    def release(self, exchange: Exchange) -> None:
        """The exchange is over, however it ended. An answer that Qwen may still be writing is stopped. Idempotent."""
        self._admission.release(exchange)
        self._waiting_since.pop(exchange.request_id, None)
        session = self._asked_as.pop(exchange.request_id, "")
        if exchange.cache == "hit":
            return  # Qwen was not asked: that says nothing about the session, and left nothing behind
        profile, stopping = self._of(exchange), None
        if self._recorder is not None and (record := record_of(exchange, self._clock.now())):
            self._recorder.keep(record)
        session = session or profile.credentials.fingerprint
        if verdict := self._cooldown.judge(session, exchange, self._clock.monotonic()):
            log.warning(f"the Qwen session {verdict}", profile=profile.name)
        if commit := exchange.unanswered:
            self._conversations.note(commit)
        if stop := exchange.unheard:
            stopping = profile.tidier.stop(stop, lambda: stop.chat_id in self._admission.busy(exchange))
        self._leases.give(exchange.request_id, stopping)
        if exchange.question.passing and exchange.question.chat_id:
            exchange.question.passing = False
            profile.tidier.delete(exchange.question.chat_id)

    async def ask(self, exchange: Exchange) -> Ask | None:
        """The next request to Qwen for this exchange. Raises `BridgeError`.

        Where it is needed a document is uploaded and a chat is opened before.
        None while the chat it belongs to is still answering somebody else, or the account wants a pause: it is to be
        asked again in a moment.
        """
        question, credentials = exchange.question, self._of(exchange).credentials
        credentials.require(self._clock.now())
        if credentials.account != question.scope.account:
            raise MissingCredentials("The bridge was given another Qwen account while this waited. Send it again.")
        if question.plan is None and not await self._decide(exchange):
            exchange.held()
            return None
        question.check()
        if not await self._admission.pause(exchange):
            return None
        if question.document is not None:
            sent = await attach(self._uploader, credentials, question, question.document)
            self.metrics.count("bytes_uploaded", sent)
        if question.needs_chat:
            question.opened(await self._client.open_chat(credentials, question.scope.model, question.title))
        ask = question.ask(credentials)
        self._admission.hold(exchange)
        return ask

    async def remember(self, effect: Commit | Forget) -> None:
        """Carry out a memory effect; see `Conversations.remember`."""
        await self._conversations.remember(effect)

    def heard(self, exchange: Exchange, status: int, headers: Headers) -> None:
        """Qwen has begun to answer the exchange; names of headers in lower case."""
        self._renewals.began(self._of(exchange).credentials, status, headers)

    async def stop(self, exchange: Exchange, effect: Stop) -> None:
        """End what Qwen may still write in the exchange's chat, unless another has taken it; see `Tidier.stopped`."""
        tidier = self._of(exchange).tidier
        await tidier.stopped(effect, lambda: effect.chat_id in self._admission.busy(exchange))

    def now(self) -> float:
        """Seconds on a clock that never jumps."""
        return self._clock.monotonic()

    def lists(self, model: str) -> bool:
        """Whether a list or a setting names this model of Qwen's; otherwise it is a word of the client's."""
        return any(profile.catalog.lists(model) for profile in self._profiles.values())

    def request_id(self) -> str:
        """A new id for `x-request-id`."""
        return f"req_{self._ids.token()}"

    async def aclose(self) -> None:
        """Let what is under way end, and close all; the store first, as Qwen may keep the rest waiting."""
        await self._leases.aclose()
        await self._conversations.aclose()
        if self._recorder is not None:
            await self._recorder.aclose()
        for profile in self._profiles.values():
            await profile.tidier.aclose()
        await self._uploader.aclose()
        await self._client.aclose()

    async def _begin(self, call: Call, request_id: str) -> Exchange:
        asker = self._clients.identify(call.headers)
        profile, limits = self._profiles[asker.profile], self._clients.count(asker, self._clock.monotonic())
        request = self._surface.parse(call.body)
        credentials = profile.credentials
        credentials.require(self._clock.now())
        scope = Scope(
            client=asker.digest,
            account=credentials.account,
            model=await profile.catalog.resolve(credentials, request.model),
        )
        question = Question(request, scope, self._manner, self._seen, self._clock, self._ids)
        question.passing = self._settings.delete_chats == "side" and is_aside(request)
        head = AnswerHead(self._surface.id_prefix + self._ids.token(), int(self._clock.now()), request.model)
        begin = self._caching.manner(question, call.headers, call.body)
        exchange = begin(self._surface, head, question, self._terms, request_id)
        exchange.profile, exchange.notes = profile.name, (*limits, *marks(exchange))
        session = profile.credentials.fingerprint
        exchange.rests = lambda error: self._cooldown.foretell(session, error, self._clock.monotonic(), request_id)
        self._admission.announce(exchange, (scope.client, call.headers.get("user-agent", ""), question.opening))
        return exchange

    def _profile(self, headers: Mapping[str, str]) -> Profile:
        return self._profiles[self._clients.identify(headers).profile]

    def _of(self, exchange: Exchange) -> Profile:
        return self._profiles[exchange.profile]

    async def _decide(self, exchange: Exchange) -> bool:
        """Choose where the conversation goes; False while it is worth waiting for a busy chat, here or elsewhere.

        After `CHAT_WAIT` seconds a second request for the same history branches off into a chat of its own.
        """
        question, ticket = exchange.question, exchange.request_id
        found = await self._conversations.find(question.lookups)
        since = self._waiting_since.get(ticket, self._clock.monotonic())
        overdue = self._clock.monotonic() - since >= CHAT_WAIT
        elsewhere: set[str] = set()
        while True:
            busy = self._admission.busy(exchange) | elsewhere
            question.decide(found, busy=busy, avoid=busy if overdue else ())
            if question.anchor is None:
                break
            if question.anchor.chat_id in busy:
                self._waiting_since[ticket] = since
                question.plan = None
                return False
            self._admission.hold(exchange)  # at once: whoever comes while this one pauses must find it busy
            if await self._leases.take(ticket, question.chat_id):
                self._conversations.claim(question.anchor)
                break
            elsewhere.add(question.chat_id)
        self._waiting_since.pop(ticket, None)
        return True
