"""One request on its way through mitmproxy's HTTP layer: with `layer`, all that leans on mitmproxy's internals.

The addon API cannot retry before the first byte, answer a refused connection in OpenAI's form, end a broken stream
legally, speak by timer, or hear of the client's leaving while nothing is sent. All of it is possible one floor below,
in a subclass of `HttpStream`. `tests/proxy/test_internals.py` proves every internal used here and in `layer` against
the pinned mitmproxy line; when that test fails, these two files are what has to change.

A stream of ours, from the complete request on::

    between ──attempt: Ask──▶ await_head ──▶ relay ──▶ between | done
       ▲                          │            │
       └───── Again(delay) ───────┴────────────┘

`between` has no connection to Qwen that could still speak. A stream that is not ours is mitmproxy's own, unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from mitmproxy import flow
from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpErrorHook,
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
)

from qwen_bridge.errors import QwenUnreachable, RequestTooLarge
from qwen_bridge.exchange.effects import Again, Ask, Begin, Commit, Data, Effect, End, Forget, Stop
from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.guard import crash
from qwen_bridge.proxy.http1 import is_tunnelled, malformed
from qwen_bridge.proxy.rewrite import Framing, aim, decoded, error_response, head_of, settle_host
from qwen_bridge.proxy.turn import QwenBridgeAttemptHook, QwenBridgeRememberHook, Turn

if TYPE_CHECKING:
    from qwen_bridge.proxy.layer import BridgeHttpLayer

log = structlog.get_logger("qwen_bridge")

type Commands = layer.CommandGenerator[None]


class AskQwen(GetHttpConnection):
    """A connection wanted by a stream of ours; the layer treats it a little differently."""


class BridgeStream(HttpStream):
    """One request of a client. `turn` is None for a request that is not ours."""

    desk: Desk
    http_layer: BridgeHttpLayer
    turn: Turn | None = None
    _framing: Framing
    _retry: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> Commands:
        try:
            yield from self._woken(event) if isinstance(event, events.Wakeup) else super()._handle_event(event)
        except Exception:
            # mitmproxy would log a bug of ours and go on: the client would wait for ever, or worse.
            if self.turn is None:
                raise
            log.exception("a stream failed; nothing was forwarded", request_id=self.turn.request_id)
            yield from self._crash()

    def _crash(self) -> Commands:
        """End the answer however far it got, using as little as possible of what may be broken."""
        yield from self._drop_upstream()
        if self.flow.response is None:
            self.flow.response = error_response(crash())
            yield from self.send_response()
        else:
            self.flow.error = flow.Error("The bridge failed in the middle of the answer.")
            yield HttpErrorHook(self.flow)
            yield SendHttp(ResponseProtocolError(self.stream_id, "failed", ErrorCode.KILL), self.context.client)
        self.client_state = self.server_state = self.state_errored

    # -- the client's request ---------------------------------------------------------------------------------------

    def state_wait_for_request_headers(self, event: RequestHeaders) -> Commands:
        self.turn = self.desk.turn_for(self.context, event.request, tunnelled=is_tunnelled(self))
        if self.turn is not None:
            self._framing = Framing.of(event.request)
            settle_host(event.request, self.context.client.sockname)
        yield from super().state_wait_for_request_headers(event)
        if self.turn is not None and self.client_state == self.state_consume_request_body:
            self.desk.turns[self.flow.id] = self.turn

    def start_request_stream(self) -> Commands:
        if self.turn is None:
            yield from super().start_request_stream()
        else:
            # Streaming would send the body on as it comes; ours is read whole first, whatever an option says.
            self.flow.request.stream = False
            self.client_state = self.state_consume_request_body

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        return False if self.turn is not None else (yield from super().check_body_size(request))

    def check_invalid(self, request: bool) -> layer.CommandGenerator[bool]:
        if self.turn is None or not request:
            return (yield from super().check_invalid(request))
        reason = malformed(self)
        if reason is None:
            return False
        self.desk.turns[self.flow.id] = self.turn
        yield HttpRequestHeadersHook(self.flow)
        # Where the request ends is in doubt. But for the header, mitmproxy would read what follows as the next one.
        last = () if self.flow.request.is_http2 else (("connection", "close"),)
        yield from self._perform(self.turn.refuse(reason, last))
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        if last:
            yield commands.CloseConnection(self.context.client)
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)
        return True

    def state_consume_request_body(self, event: events.Event) -> Commands:
        if self.turn is None:
            yield from super().state_consume_request_body(event)
        elif isinstance(event, RequestData):
            if self.turn.objection is None:
                self._consume(self.turn, event.data)
        elif isinstance(event, RequestEndOfMessage):
            yield from self._request_complete(self.turn)

    def _consume(self, turn: Turn, data: bytes) -> None:
        self.request_body_buf += data
        limit = self.desk.guard.request_limit
        if len(self.request_body_buf) > limit:
            turn.objection = RequestTooLarge(f"The request is larger than {limit:,} bytes. Send less history at once.")
            self.request_body_buf.clear()

    def _request_complete(self, turn: Turn) -> Commands:
        self.flow.request.timestamp_end = time.time()
        self.flow.request.data.content = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.client_state = self.state_done
        self.server_state = self.state_between
        yield HttpRequestHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if self.flow.response:
            # Another addon has answered: its answer stands, and goes out the way mitmproxy sends such answers.
            yield HttpResponseHeadersHook(self.flow)
            if not (yield from self.check_killed(True)):
                yield from self.send_response()
            return
        if turn.objection is None:
            turn.read(self.flow.request, self.desk.guard.request_limit)
        if turn.objection is not None:
            yield from self._perform(turn.refuse(turn.objection))
            return
        yield commands.RequestWakeup(self.desk.tick)
        yield from self._attempt(turn)

    # -- towards Qwen -----------------------------------------------------------------------------------------------

    def _attempt(self, turn: Turn) -> Commands:
        yield QwenBridgeAttemptHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        order = turn.order()
        if isinstance(order, Ask):
            yield from self._ask(turn, order)
        else:
            yield from self._perform(order)

    def _ask(self, turn: Turn, ask: Ask) -> Commands:
        guard = self.desk.guard
        request = aim(self.flow.request, ask, guard.upstream)
        via, transport = guard.way or self.flow.server_conn.via, self.flow.server_conn.transport_protocol
        connection, reason = yield AskQwen(guard.address, guard.tls, via, transport)
        if reason:
            error = QwenUnreachable(f"Qwen cannot be reached at {guard.upstream}: {reason}. Check your network.")
            yield from self._perform(turn.happened("failed", error))
        elif (yield from self.check_killed(True)):
            yield from self._hang_up(connection)
        else:
            self.context.server = self.flow.server_conn = connection
            self.http_layer.make_ready(connection)
            turn.sent()
            self.server_state = self.state_await_head
            yield SendHttp(RequestHeaders(self.stream_id, request, False), connection)
            yield SendHttp(RequestData(self.stream_id, ask.body), connection)
            yield SendHttp(RequestEndOfMessage(self.stream_id), connection)

    def _hang_up(self, connection: Connection) -> Commands:
        self.http_layer.silence(connection)
        yield commands.CloseConnection(connection)

    def _drop_upstream(self) -> Commands:
        """End the present attempt's connection if Qwen could still speak on it."""
        if self.server_state in (self.state_await_head, self.state_relay):
            self.server_state = self.state_between
            yield from self._hang_up(self.context.server)

    # -- from Qwen --------------------------------------------------------------------------------------------------

    def state_between(self, _event: events.Event) -> Commands:
        yield from ()

    def state_done(self, event: events.Event) -> Commands:
        # An answer may end while Qwen still speaks, with events of that already waiting in the queue.
        if self.turn is None:
            yield from super().state_done(event)

    def state_await_head(self, event: events.Event) -> Commands:
        if isinstance(event, ResponseHeaders) and self.turn is not None:
            self.server_state = self.state_relay
            headers = decoded(event.response.headers)
            yield from self._perform(self.turn.happened("responded", event.response.status_code, headers))

    def state_relay(self, event: events.Event) -> Commands:
        assert self.turn is not None
        if isinstance(event, ResponseData):
            yield from self._perform(self.turn.fed(event.data, stalled=self.http_layer.stalled(self.stream_id)))
        elif isinstance(event, ResponseEndOfMessage):
            self.server_state = self.state_between
            yield from self._perform(self.turn.happened("finished"))

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        if self.turn is None:
            yield from super().handle_protocol_error(event)
        elif isinstance(event, RequestProtocolError):
            yield from self._client_left(event.message)
        elif self.server_state in (self.state_await_head, self.state_relay):
            yield from self._drop_upstream()  # mitmproxy tells some failures twice; the second must reach nobody
            yield from self._perform(self.turn.happened("lost"))

    def _client_left(self, reason: str) -> Commands:
        yield from self._drop_upstream()
        if self.state_errored not in (self.client_state, self.server_state) and self.server_state != self.state_done:
            self.flow.error = flow.Error(reason)
            yield HttpErrorHook(self.flow)
        self.client_state = self.server_state = self.state_errored
        self.flow.live = False
        yield DropStream(self.stream_id)

    @property
    def _ended(self) -> bool:
        """Whether the client has its answer, or will get none. A timer may still go off after that."""
        gone = self.stream_id not in self.http_layer.streams or self.client_state == self.state_errored
        return gone or self.server_state in (self.state_done, self.state_errored)

    def _woken(self, event: events.Wakeup) -> Commands:
        if self.turn is None or self._ended:
            return
        if self.flow.error:  # somebody has killed the flow
            yield from self._drop_upstream()
            yield from self.check_killed(True)
            return
        if event.command is self._retry:
            self._retry = None
            yield from self._attempt(self.turn)
            return
        yield commands.RequestWakeup(self.desk.tick)
        yield from self._perform(self.turn.ticked(time.monotonic(), self.desk.unread))

    # -- to the client ----------------------------------------------------------------------------------------------

    def _perform(self, effects: Sequence[Effect]) -> Commands:
        """Carry out what the exchange wants, in order."""
        for effect in effects:
            match effect:
                case Data(chunk):
                    yield from self._send(chunk)
                case Begin():
                    yield from self._begin(effect)
                case Commit() | Forget() | Stop():
                    assert self.turn is not None
                    self.turn.effect = effect
                    yield QwenBridgeRememberHook(self.flow)
                case Again(delay):
                    yield from self._drop_upstream()
                    self._retry = commands.RequestWakeup(delay)
                    yield self._retry
                case End():
                    yield from self._end()

    def _begin(self, begin: Begin) -> Commands:
        permission = self.turn.permission() if self.turn is not None else ()
        self.flow.response = head_of(begin, self._framing, permission)
        yield HttpResponseHeadersHook(self.flow)
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, False), self.context.client)

    def _send(self, chunk: bytes) -> Commands:
        assert self.turn is not None
        self.turn.capture.add(chunk)
        call = self.turn.call
        if call is None or call.method != "HEAD":
            yield SendHttp(ResponseData(self.stream_id, chunk), self.context.client)

    def _end(self) -> Commands:
        assert self.turn is not None
        assert self.flow.response is not None
        yield from self._drop_upstream()
        self.flow.response.raw_content = self.turn.capture.content
        yield from self.send_response(already_streamed=True)
