"""The contract with mitmproxy: every internal that `stream`, `layer`, `addon` and `options` lean on, proved alone.

mitmproxy promises its addon API and nothing below it. When a new version fails here, the sentence of the failing test
says which assumption broke, and the file named there is what has to change. Nothing here tests the bridge.
"""

from __future__ import annotations

import asyncio
import collections
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import pytest
from mitmproxy import flow as mitmflow
from mitmproxy import http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import default_addons
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.connection import ConnectionState, Server
from mitmproxy.exceptions import AddonHalt
from mitmproxy.net.http.http1 import read_request_head
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events, layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import modes
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HTTPMode,
    HttpStream,
    SendHttp,
    validate_request,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.layers.tls import parse_client_hello
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectHook
from mitmproxy.test import taddons
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import treq
from mitmproxy.tls import TlsData

from qwen_bridge.proxy.layer import BridgeHttpLayer
from qwen_bridge.proxy.stream import AskQwen, BridgeStream
from qwen_bridge.proxy.turn import QwenBridgeAttemptHook
from tests.proxy.driving import QUESTION, Drive, post
from tests.proxy.test_addon import hello
from tests.proxy.test_guard import context as connection

ELSEWHERE = ("192.0.2.1", 80)
GET = b"GET http://192.0.2.1/ HTTP/1.1\r\nHost: x\r\n\r\n"


class Probe(HttpStream):
    """mitmproxy's stream, doing what a test says when a request is complete, and keeping every event."""

    script: Callable[[Probe], layer.CommandGenerator[None]]
    seen: list[events.Event]

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.seen.append(event)
        if isinstance(event, RequestEndOfMessage):
            yield from self.script(self)
        elif isinstance(event, events.Start | RequestHeaders | RequestData):
            yield from super()._handle_event(event)


def probing(options: Options, script: Callable[[Probe], layer.CommandGenerator[None]], alpn: bytes = b"") -> Drive:
    """A client connection whose streams are probes."""

    class ProbeLayer(HttpLayer):
        def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
            stream = Probe(self.context.fork(), stream_id)
            stream.script, stream.seen = script, []
            self.streams[stream_id] = stream
            yield from self.event_to_child(stream, events.Start())

    return Drive(options, lambda context: ProbeLayer(context, HTTPMode.regular), alpn)


def probe_of(drive: Drive) -> Probe:
    (stream,) = drive.layer.streams.values()
    assert isinstance(stream, Probe)
    return stream


def nothing(_: Probe) -> layer.CommandGenerator[None]:
    yield from ()


# -- names and signatures -----------------------------------------------------------------------------------------

OVERRIDDEN = {
    BridgeStream: {
        "_handle_event": ["event"],
        "state_wait_for_request_headers": ["event"],
        "start_request_stream": [],
        "check_body_size": ["request"],
        "check_invalid": ["request"],
        "state_consume_request_body": ["event"],
        "state_done": ["event"],
        "handle_protocol_error": ["event"],
    },
    BridgeHttpLayer: {
        "_handle_event": ["event"],
        "event_to_child": ["child", "event"],
        "make_stream": ["stream_id"],
        "get_connection": ["event", "reuse"],
    },
}
BASES: dict[type, type] = {BridgeStream: HttpStream, BridgeHttpLayer: HttpLayer}


@pytest.mark.parametrize("ours", OVERRIDDEN)
def test_what_we_override_is_there(ours: type) -> None:
    """mitmproxy has each method that ours replaces, with as many parameters: nothing of ours is left uncalled."""
    for name, parameters in OVERRIDDEN[ours].items():
        theirs = getattr(BASES[ours], name, None)
        assert theirs is not None, f"{BASES[ours].__name__}.{name} is gone; our override is never called"
        count = len(inspect.signature(theirs).parameters) - 1
        assert count == len(parameters), f"{BASES[ours].__name__}.{name} takes {count} arguments now"


@pytest.mark.parametrize("ours", OVERRIDDEN)
def test_what_we_add_hides_nothing(ours: type) -> None:
    """No name of ours is one of mitmproxy's by accident."""
    base = BASES[ours]
    taken = {name for kind in base.__mro__[:-1] for name in (*vars(kind), *getattr(kind, "__annotations__", {}))}
    dunder = {name for name in vars(ours) if name.startswith("__")}
    shared = (set(vars(ours)) | set(getattr(ours, "__annotations__", {}))) - dunder
    assert shared & taken == set(OVERRIDDEN[ours]), f"{base.__name__} has got a name that {ours.__name__} uses"


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (HttpStream.__init__, ["self", "context", "stream_id"]),
        (HttpStream.send_response, ["self", "already_streamed"]),
        (HttpStream.check_killed, ["self", "emit_error_hook"]),
        (HttpStream.state_errored, ["self", "_"]),
        (HttpLayer.__init__, ["self", "context", "mode"]),
        (HttpLayer.event_to_child, ["self", "child", "event"]),
        (GetHttpConnection.__init__, ["self", "address", "tls", "via", "transport_protocol"]),
        (SendHttp.__init__, ["self", "event", "connection"]),
        (DropStream.__init__, ["self", "stream_id"]),
        (RequestHeaders.__init__, ["self", "stream_id", "request", "end_stream", "replay_flow"]),
        (RequestData.__init__, ["self", "stream_id", "data"]),
        (RequestEndOfMessage.__init__, ["self", "stream_id"]),
        (ResponseHeaders.__init__, ["self", "stream_id", "response", "end_stream"]),
        (ResponseData.__init__, ["self", "stream_id", "data"]),
        (ResponseProtocolError.__init__, ["self", "stream_id", "message", "code"]),
        (commands.RequestWakeup.__init__, ["self", "delay"]),
        (commands.CloseConnection.__init__, ["self", "connection"]),
        (validate_request, ["mode", "request", "validate_inbound_headers"]),
        (layers.TCPLayer.__init__, ["self", "context", "ignore"]),
    ],
)
def test_what_we_call_takes_what_we_give(function: Callable[..., Any], parameters: list[str]) -> None:
    """The parameters of everything that `stream` and `layer` call, by name and order."""
    assert list(inspect.signature(function).parameters) == parameters, f"{function.__qualname__} has changed"


def test_the_stream_has_the_fields_we_use(options: Options) -> None:
    """Two states, a buffer for the request, its number, its flow; the context of a stream is a copy of its own."""
    drive = probing(options, nothing)
    drive.receive(post(QUESTION))
    drive.through()
    stream = probe_of(drive)
    assert stream.stream_id == 1
    assert isinstance(stream.flow, http.HTTPFlow)
    assert stream.client_state == stream.state_consume_request_body, "a request is read in another state now"
    stream.request_body_buf.clear()
    stream.request_body_buf += b"one"
    stream.request_body_buf += b"two"
    assert (bytes(stream.request_body_buf), len(stream.request_body_buf)) == (b"onetwo", 6)
    stream.request_body_buf.clear()
    assert bytes(stream.request_body_buf) == b""
    assert stream.mode is HTTPMode.regular, "a stream finds its layer's mode through the stack of its context"
    stream.context.server = Server(address=ELSEWHERE)
    assert drive.layer.context.server is not stream.context.server, "fork() shares the context now"


# -- taking over --------------------------------------------------------------------------------------------------


def test_the_class_of_a_layer_can_be_changed(options: Options) -> None:
    """`__class__` of an HttpLayer may be set: it has no slots, and keeps all it was given."""
    made = HttpLayer(Context(connection().client, options), HTTPMode.regular)
    streams, connections = made.streams, made.connections
    made.__class__ = BridgeHttpLayer
    assert isinstance(made, BridgeHttpLayer)
    assert made.streams is streams
    assert made.connections is connections


def test_a_stream_is_made_by_make_stream_alone(options: Options) -> None:
    """For each RequestHeaders the layer calls `make_stream`, then looks the stream up in `streams`."""
    drive = probing(options, nothing)
    drive.receive(post(QUESTION))
    assert isinstance(probe_of(drive), Probe), "streams are made elsewhere now"
    assert [type(event).__name__ for event in probe_of(drive).seen] == ["Start", "RequestHeaders"]


def test_a_dropped_stream_is_forgotten(options: Options) -> None:
    """`DropStream` takes the stream out of `streams`; what its connection still brings is thrown away."""

    def drop(stream: Probe) -> layer.CommandGenerator[None]:
        yield DropStream(stream.stream_id)

    drive = probing(options, drop)
    drive.receive(post(QUESTION))
    drive.through()
    assert drive.layer.streams == {}, "DropStream leaves the stream in place"
    drive.closed(drive.client)


# -- hooks and timers ---------------------------------------------------------------------------------------------


def test_a_hook_of_ours_needs_exactly_one_argument() -> None:
    """`handle_lifecycle` looks at the first argument; the fields of the dataclass are the arguments."""
    flow = tflow()
    assert QwenBridgeAttemptHook(flow).args() == [flow]
    assert QwenBridgeAttemptHook.name == "qwen_bridge_attempt", "hooks are named otherwise now"
    assert "event.args()[0]" in inspect.getsource(AddonManager.handle_lifecycle)


def http2_requests(*bodies: bytes) -> bytes:
    """What an HTTP/2 client sends for some requests at once."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    state.initiate_connection()
    for body in bodies:
        stream = state.get_next_available_stream_id()
        fields = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
        state.send_headers(stream, fields)
        state.send_data(stream, body, end_stream=True)
    return state.data_to_send()


def test_a_blocking_hook_pauses_only_its_stream(options: Options) -> None:
    """While one stream waits for an addon, another one on the same connection goes on."""

    def wait(stream: Probe) -> layer.CommandGenerator[None]:
        yield QwenBridgeAttemptHook(stream.flow)
        yield from stream.send_response()

    drive = probing(options, wait, b"h2")
    drive.receive(http2_requests(b"one", b"two"))
    for hook in drive.all(commands.StartHook):
        drive.done(hook)  # requestheaders, of both
    first, second = drive.all(QwenBridgeAttemptHook)
    second.flow.response = http.Response.make(200, b"second")
    drive.done(second)
    drive.through(but=["qwen_bridge_attempt"])
    assert b"second" in drive.sent[drive.client], "a hook of one stream holds up the others"
    assert drive.all(QwenBridgeAttemptHook) == [first]


def test_events_wait_while_a_stream_is_paused(options: Options) -> None:
    """What comes during a blocking command is queued, and replayed in order after it."""
    reached: list[str] = []

    def wait(stream: Probe) -> layer.CommandGenerator[None]:
        yield commands.RequestWakeup(1.0)
        yield QwenBridgeAttemptHook(stream.flow)
        reached.append(type(stream.seen[-1]).__name__)

    drive = probing(options, wait)
    drive.receive(post(QUESTION))
    drive.done(drive.hook("requestheaders"))
    drive.wake()
    assert reached == []
    drive.through()
    assert reached == ["RequestEndOfMessage"], "events reach a paused stream"
    assert isinstance(probe_of(drive).seen[-1], events.Wakeup), "queued events are lost"


def test_a_wakeup_comes_back_to_its_stream(options: Options) -> None:
    """`RequestWakeup` does not block, and returns as `Wakeup` with the very command to the stream that asked."""
    asked = [commands.RequestWakeup(1.0), commands.RequestWakeup(2.0)]

    def two(_: Probe) -> layer.CommandGenerator[None]:
        yield from asked

    drive = probing(options, two)
    drive.receive(post(QUESTION))
    drive.through()
    assert drive.wake(1) is asked[1]
    last = probe_of(drive).seen[-1]
    assert isinstance(last, events.Wakeup)
    assert last.command is asked[1], "a Wakeup does not name its command any more: retry and tick cannot be told apart"


def test_a_wakeup_reaches_a_dropped_stream(options: Options) -> None:
    """A timer that was asked for before the end goes off after it: the stream has to know that it is over."""

    def end(stream: Probe) -> layer.CommandGenerator[None]:
        yield commands.RequestWakeup(1.0)
        yield DropStream(stream.stream_id)

    drive = probing(options, end)
    drive.receive(post(QUESTION))
    stream = probe_of(drive)
    drive.through()
    drive.wake()
    assert isinstance(stream.seen[-1], events.Wakeup)


# -- connections --------------------------------------------------------------------------------------------------


def connecting(replies: list[Any], times: int) -> Callable[[Probe], layer.CommandGenerator[None]]:
    def script(_: Probe) -> layer.CommandGenerator[None]:
        while len(replies) < times:
            reply = yield AskQwen(ELSEWHERE, False, None, "tcp")
            replies.append(reply)

    return script


def test_a_connection_is_asked_for_and_given(options: Options) -> None:
    """`GetHttpConnection`, also a subclass of it, is answered with the connection and no error."""
    replies: list[Any] = []
    drive = probing(options, connecting(replies, 1))
    drive.receive(post(QUESTION))
    drive.through()
    server = drive.opened()
    assert replies == [(server, None)]
    assert server.address == ELSEWHERE
    assert server in drive.layer.connections


def test_a_failed_connection_answers_every_later_request(options: Options) -> None:
    """It stays in `connections` with its error and is answered at once: that is why `get_connection` clears it."""
    replies: list[Any] = []
    drive = probing(options, connecting(replies, 2))
    drive.receive(post(QUESTION))
    drive.through()
    server = drive.opened("refused")
    assert replies == [(None, "refused"), (None, "refused")], "a failed connection is tried again by itself now"
    assert drive.all(commands.OpenConnection) == []
    assert server in drive.layer.connections
    assert not server.connected


def test_a_failed_connection_without_its_error_is_tried_again(options: Options) -> None:
    """With `error` cleared the next request opens a connection of its own, with an object of its own."""

    def script(_: Probe) -> layer.CommandGenerator[None]:
        yield AskQwen(ELSEWHERE, False, None, "tcp")
        for known in list(drive.layer.connections):
            if isinstance(known, Server):
                known.error = None
        yield AskQwen(ELSEWHERE, False, None, "tcp")

    drive = probing(options, script)
    drive.receive(post(QUESTION))
    drive.through()
    first = drive.opened("refused")
    (command,) = drive.all(commands.OpenConnection)
    assert command.connection is not first


def test_the_opening_of_a_connection_passes_through_get_connection(options: Options) -> None:
    """`OpenConnection` is among the commands of `get_connection`: that is where the protocol is chosen."""
    made = HttpLayer(Context(connection().client, options), HTTPMode.regular)
    wanted = GetHttpConnection(ELSEWHERE, True, None, "tcp")
    (command,) = made.get_connection(wanted)
    assert isinstance(command, commands.OpenConnection)
    assert command.connection.sni == ELSEWHERE[0]


async def test_offered_protocols_are_kept(tmp_path: Path) -> None:
    """`alpn_offers` that are set already are offered to the server as they are."""
    tls = TlsConfig()
    with taddons.context(tls, Proxyserver()) as tctx:
        tctx.configure(tls, confdir=str(tmp_path))
        made = Context(connection().client, tctx.options)
        made.client.alpn_offers = [b"h2", b"http/1.1"]
        made.server = Server(address=("example.com", 443), sni="example.com", alpn_offers=[b"http/1.1"])
        tls.tls_start_server(TlsData(made.server, made))
        assert made.server.alpn_offers == [b"http/1.1"], "mitmproxy offers what the client offered, whatever we chose"


def test_a_wound_up_connection_still_speaks(options: Options) -> None:
    """After a protocol error the connection is closed, and its end is told as a second error: that is why `silence`."""

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        server, _ = yield AskQwen(ELSEWHERE, False, None, "tcp")
        yield SendHttp(RequestHeaders(stream.stream_id, stream.flow.request, True), server)
        yield SendHttp(RequestEndOfMessage(stream.stream_id), server)

    drive = probing(options, script)
    drive.receive(GET)
    drive.through()
    server = drive.opened()
    drive.receive(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n", server)
    assert server.state is ConnectionState.CLOSED
    drive.closed(server)
    errors = [event for event in probe_of(drive).seen if isinstance(event, ResponseProtocolError)]
    assert len(errors) == 2, "a closed connection is quiet now; `silence` may be needless"


def test_a_layer_in_connections_can_be_replaced(options: Options) -> None:
    """Events of a connection go to whatever stands under it in `connections`."""
    replies: list[Any] = []
    drive = probing(options, connecting(replies, 1))
    drive.receive(post(QUESTION))
    drive.through()
    server = drive.opened()
    caught: list[events.Event] = []

    class Catch(layer.Layer):
        def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
            caught.append(event)
            yield from ()

    drive.layer.connections[server] = Catch(drive.layer.context.fork())
    drive.receive(b"anything", server)
    assert [type(event) for event in caught] == [events.DataReceived]


def test_the_request_of_the_flow_is_the_connections_own(options: Options) -> None:
    """The client's connection judges by the flow's request object, which we rewrite: framing is read before that."""
    drive = probing(options, nothing)
    drive.receive(post(QUESTION))
    drive.through()
    server_side = drive.layer.connections[drive.client]
    assert isinstance(server_side, Http1Server)
    assert server_side.request is probe_of(drive).flow.request, "the request is a copy; `Framing` may be needless"


def test_the_end_of_a_connection_to_a_server_stands_last(options: Options) -> None:
    """A stream is given it when the last layer of its context is an idle `Http1Client`: see `make_ready`."""
    ends: list[Any] = []

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        server, _ = yield GetHttpConnection(ELSEWHERE, False, None)
        ends.append(drive.layer.connections[server].context.layers[-1])

    drive = probing(options, script)
    drive.receive(post(QUESTION))
    drive.through()
    drive.opened()
    (end,) = ends
    assert type(end) is Http1Client
    assert end.state == end.read_headers


# -- answers ------------------------------------------------------------------------------------------------------


def answering(options: Options, head: bytes, *fields: tuple[bytes, bytes]) -> Drive:
    """A client that is sent two chunks by hand, and then the end by `send_response(already_streamed=True)`."""

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        response = http.Response.make(200, b"", http.Headers([*fields]))
        response.headers.pop("content-length", None)
        stream.flow.response = response
        stream.client_state = stream.state_done
        yield SendHttp(ResponseHeaders(stream.stream_id, response, False), stream.context.client)
        for part in (b"one", b"two"):
            yield SendHttp(ResponseData(stream.stream_id, part), stream.context.client)
        yield from stream.send_response(already_streamed=True)

    drive = probing(options, script)
    drive.receive(head)
    return drive


def test_a_streamed_answer_ends_after_the_response_hook(options: Options) -> None:
    """`send_response(already_streamed=True)` sends nothing of the body, fires `response`, then ends the message."""
    drive = answering(options, post(QUESTION), (b"transfer-encoding", b"chunked"))
    drive.done(drive.hook("requestheaders"))
    body = drive.sent[drive.client].partition(b"\r\n\r\n")[2]
    assert body == b"3\r\none\r\n3\r\ntwo\r\n", "a chunked response is written otherwise"
    stream = probe_of(drive)
    drive.done(drive.hook("response"))
    assert drive.sent[drive.client].endswith(b"two\r\n0\r\n\r\n")
    assert stream.server_state == stream.state_done, "the state after an answer is another: timers would go on"
    assert drive.layer.streams == {}, "the stream is not dropped at its end"
    assert stream.flow.live is False


def test_the_response_says_when_the_connection_ends(options: Options) -> None:
    """`connection: close` in the response closes the client's connection after it."""
    drive = answering(options, post(QUESTION), (b"transfer-encoding", b"chunked"), (b"connection", b"close"))
    drive.through()
    assert drive.client.state is ConnectionState.CLOSED


def test_a_response_without_length_ends_with_the_connection(options: Options) -> None:
    """Without a length and without chunks the body goes out as it is, and the connection's end is its end."""
    drive = answering(options, post(QUESTION, version=b"1.0"))
    drive.through()
    assert drive.sent[drive.client].endswith(b"\r\n\r\nonetwo")
    assert drive.client.state is ConnectionState.CLOSED


def test_head_gets_no_last_chunk(options: Options) -> None:
    """The end of an answer to HEAD writes nothing."""

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        stream.flow.response = http.Response.make(200, b"", http.Headers([(b"transfer-encoding", b"chunked")]))
        stream.client_state = stream.state_done
        yield SendHttp(ResponseHeaders(stream.stream_id, stream.flow.response, False), stream.context.client)
        yield from stream.send_response(already_streamed=True)

    drive = probing(options, script)
    drive.receive(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    drive.through()
    assert drive.sent[drive.client].endswith(b"\r\n\r\n")
    assert b"0\r\n\r\n" not in drive.sent[drive.client].partition(b"\r\n\r\n")[2]


def test_a_killed_stream_closes_without_a_page(options: Options) -> None:
    """`ErrorCode.KILL` to the client ends its connection (its stream in HTTP/2) and says nothing in HTML."""

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        yield SendHttp(ResponseProtocolError(stream.stream_id, "x", ErrorCode.KILL), stream.context.client)

    drive = probing(options, script)
    drive.receive(post(QUESTION))
    drive.through()
    assert drive.sent[drive.client] == b""
    assert drive.client.state is ConnectionState.CLOSED
    assert ErrorCode.KILL.http_status_code() is None
    two = probing(options, script, b"h2")
    two.receive(http2_requests(b"one"))
    two.through()
    assert two.client.state is ConnectionState.OPEN, "one killed stream closes an HTTP/2 connection"


def test_a_client_that_leaves_in_a_hook_is_noticed_after_it(options: Options) -> None:
    """`check_killed` looks into the queue of a paused stream for the client's leaving, and fires `error` if asked."""
    found: list[bool] = []

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        stream.client_state = stream.state_done
        yield HttpRequestHook(stream.flow)
        found.append((yield from stream.check_killed(True)))

    drive = probing(options, script)
    drive.receive(post(QUESTION))
    drive.done(drive.hook("requestheaders"))
    stream = probe_of(drive)
    drive.closed(drive.client)
    assert found == []
    assert [type(event) for event in stream._paused_event_queue] == [RequestProtocolError]
    drive.through()
    assert found == [True], "check_killed does not look into the queue any more"
    assert drive.hooks[-1] == "error"
    assert stream.client_state == stream.server_state == stream.state_errored


def test_a_flow_that_was_killed_says_so() -> None:
    """`kill` sets an error with a message of its own; `check_killed` goes by it."""
    flow = tflow()
    flow.live = True
    flow.kill()
    assert flow.error is not None
    assert flow.error.msg == mitmflow.Error.KILLED_MESSAGE


def test_a_malformed_request_is_judged_by_check_invalid(options: Options) -> None:
    """Before the requestheaders hook, from `state_wait_for_request_headers`."""
    assert validate_request(HTTPMode.regular, treq(headers=http.Headers([(b"a b", b"c")])), True)
    assert validate_request(HTTPMode.regular, treq(), True) is None
    source = inspect.getsource(HttpStream.state_wait_for_request_headers)
    assert source.index("check_invalid(True)") < source.index("HttpRequestHeadersHook")
    assert options.validate_inbound_headers is True


# -- events -------------------------------------------------------------------------------------------------------


def test_requests_come_as_three_kinds_of_events(options: Options) -> None:
    """Headers, data, end: in this order, for HTTP/1 as for HTTP/2."""
    wanted: Sequence[type[HttpEvent]] = [RequestHeaders, RequestData, RequestEndOfMessage]
    for alpn, data in ((b"", post(QUESTION)), (b"h2", http2_requests(QUESTION))):
        drive = probing(options, nothing, alpn)
        drive.receive(data)
        drive.through()
        assert [type(event) for event in probe_of(drive).seen[1:]] == wanted


def test_responses_come_as_three_kinds_of_events(options: Options) -> None:
    """Headers, data for each chunk, end."""

    def script(stream: Probe) -> layer.CommandGenerator[None]:
        server, _ = yield AskQwen(ELSEWHERE, False, None, "tcp")
        yield SendHttp(RequestHeaders(stream.stream_id, stream.flow.request, True), server)
        yield SendHttp(RequestEndOfMessage(stream.stream_id), server)

    drive = probing(options, script)
    drive.receive(GET)
    drive.through()
    server = drive.opened()
    drive.receive(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", server)
    kinds = [type(event) for event in probe_of(drive).seen[-4:]]
    assert kinds == [ResponseHeaders, ResponseData, ResponseData, ResponseEndOfMessage]


# -- around the layers --------------------------------------------------------------------------------------------


class Handler(ConnectionHandler):
    """mitmproxy's own driver of layers, whose hooks the test watches."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.hooks: list[str] = []
        self.came: list[events.Event] = []

    async def handle_hook(self, hook: commands.StartHook) -> None:
        self.hooks.append(hook.name)
        if isinstance(hook, ServerConnectHook):
            hook.data.server.error = "no"

    async def server_event(self, event: events.Event) -> None:
        self.came.append(event)


async def test_a_server_with_an_error_is_not_connected(options: Options) -> None:
    """An error set in `server_connect` stops the connection before a socket is opened."""
    opened: list[object] = []

    async def listen(_reader: object, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)

    place = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with place:
        handler = Handler(Context(connection().client, options))
        server = Server(address=place.sockets[0].getsockname())
        await handler.open_connection(commands.OpenConnection(server))
        await asyncio.sleep(0.05)
    (completed,) = handler.came
    assert isinstance(completed, events.OpenConnectionCompleted)
    assert completed.reply, "the error is not told to the stream"
    assert opened == [], "server_connect cannot stop a connection any more"


async def test_connections_of_a_client_are_limited_in_max_conns(options: Options) -> None:
    """Five for an address, by semaphores in a defaultdict that may be replaced."""
    handler = Handler(Context(connection().client, options))
    assert isinstance(handler.max_conns, collections.defaultdict)
    assert handler.max_conns[ELSEWHERE]._value == 5
    assert "self.max_conns[command.connection.address]" in inspect.getsource(ConnectionHandler.open_connection)
    assert handler.client is handler.layer.context.client


async def test_the_driver_wakes_with_the_command(options: Options) -> None:
    """`ConnectionHandler.wakeup` answers with the command it was given."""
    handler = Handler(Context(connection().client, options))
    wanted = commands.RequestWakeup(0.0)
    await handler.wakeup(wanted)
    (event,) = handler.came
    assert isinstance(event, events.Wakeup)
    assert event.command is wanted


def test_the_built_in_addons_have_their_names() -> None:
    """`proxyserver` with `connections` and `servers`, and `nextlayer`."""
    with taddons.context(*(a for a in default_addons() if isinstance(a, Proxyserver | NextLayer))) as tctx:
        manager = tctx.master.addons
        server = manager.get("proxyserver")
        assert isinstance(server, Proxyserver)
        assert isinstance(server.connections, dict)
        assert list(server.servers) == []
        assert isinstance(manager.get("nextlayer"), NextLayer)
        assert isinstance(manager.chain, list)


def test_the_chain_is_walked_in_order() -> None:
    """Hooks are called along `chain`, which may be replaced while it is walked; `AddonHalt` ends the walk."""
    told: list[str] = []

    class Named:
        def __init__(self, name: str, halts: bool = False) -> None:
            self.name = name
            self.halts = halts

        def next_layer(self, _: object) -> None:
            told.append(self.name)
            if self.halts:
                raise AddonHalt

    first, second, third = Named("first"), Named("second", halts=True), Named("third")
    with taddons.context(first, second, third) as tctx:
        hook = layer.NextLayerHook(layer.NextLayer(connection()))
        tctx.master.addons.trigger(hook)
        assert told == ["first", "second"]
        tctx.master.addons.chain = [third, first]
        tctx.master.addons.trigger(hook)
        assert told[2:] == ["third", "first"]


def test_nobodys_decision_is_asked_for_again() -> None:
    """While no addon has set a layer, mitmproxy keeps the data and asks at the next event."""
    asked = layer.NextLayer(connection())
    for count in (1, 2):
        (hook,) = asked.handle_event(events.DataReceived(asked.context.client, b"x"))
        assert isinstance(hook, layer.NextLayerHook)
        assert asked.data_client() == b"x" * count
        assert list(asked.handle_event(events.HookCompleted(hook))) == []


def test_the_built_in_choice_is_an_http_layer_in_the_stack() -> None:
    """For a proxy's client it is exactly an `HttpLayer`, which stands in `context.layers`; a layer set before stays."""
    built_in = NextLayer()
    with taddons.context(Proxyserver(), built_in) as tctx:
        made = Context(connection().client, tctx.options)
        modes.HttpProxy(made)
        asked = layer.NextLayer(made)
        asked.events.append(events.DataReceived(made.client, b"GET / HTTP/1.1\r\n"))
        built_in.next_layer(asked)
        assert type(asked.layer) is HttpLayer
        assert asked.layer in made.layers
        chosen = asked.layer
        built_in.next_layer(asked)
        assert asked.layer is chosen


def test_half_a_hello_is_none_yet() -> None:
    """`parse_client_hello` says None for an incomplete hello, the name for a whole one, ValueError for other bytes."""
    whole = hello("example.com")
    assert parse_client_hello(whole[:1]) is None
    assert parse_client_hello(whole[:-1]) is None
    parsed = parse_client_hello(whole)
    assert parsed is not None
    assert parsed.sni == "example.com"
    with pytest.raises(ValueError):
        parse_client_hello(b"\x16 begins no record of TLS")


def test_options_know_whether_they_were_changed() -> None:
    """`_options[name].has_changed()` is false at the default, also when it was set to it; unknown ones are deferred."""
    opts = Options()
    opts.add_option("qwen_x", str, "default", "words")
    assert not opts._options["qwen_x"].has_changed()
    opts.update(qwen_x="other")
    assert opts._options["qwen_x"].has_changed()
    opts.update(qwen_x="default")
    assert not opts._options["qwen_x"].has_changed()
    opts.set("qwen_y=1", defer=True)
    assert set(opts.deferred) == {"qwen_y"}


def test_a_request_to_a_server_names_no_target() -> None:
    """In origin form `host` is empty until the Host header is read: by that a base URL is known."""
    assert read_request_head([b"POST /v1 HTTP/1.1", b"Host: bridge"]).host == ""
    assert read_request_head([b"POST http://x/v1 HTTP/1.1", b"Host: bridge"]).host == "x"


def test_what_a_client_opens_no_window_for_waits_in_stream_buffers(options: Options) -> None:
    """An HTTP/2 client's layer is the connection's, and keeps what its window does not take, by stream, in pieces."""
    drive = Drive(options, alpn=b"h2")
    drive.receive(http2_requests(QUESTION))
    server = drive.layer.connections[drive.client]
    assert isinstance(server, Http2Server)
    (stream_id,) = drive.layer.streams
    server.h2_conn.send_headers(stream_id, [(":status", "200")])
    server.h2_conn.send_data(stream_id, bytes(100_000))
    waiting = sum(len(piece.data) for piece in server.h2_conn.stream_buffers[stream_id])
    assert waiting == 100_000 - 65_535, "mitmproxy keeps what waits for a window elsewhere"
