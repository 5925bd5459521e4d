"""mitmproxy's HTTP layer with our streams in it. See `stream` for why, and for the test that guards the internals."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpClient, HttpLayer, HttpStream
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.layers.http._http2 import Http2Server
from mitmproxy.proxy.layers.tls import ServerTLSLayer

from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.egress import tunnel_to, way
from qwen_bridge.proxy.http1 import BridgeHttp1Client, BridgeHttp1Server
from qwen_bridge.proxy.stream import AskQwen, BridgeStream, Commands
from qwen_bridge.proxy.type_checks import make_quiet
from qwen_bridge.settings.egress import Egress

BACKLOG = 4 * 1024 * 1024
"""Bytes of one answer that may wait for its client's window; most clients open one of 64 KiB to 16 MiB."""

BACKLOG_PIECES = 4096
"""Pieces of it, which are looked at for every piece that comes."""


class BridgeHttpLayer(HttpLayer):
    """mitmproxy's HTTP layer with our streams in it."""

    desk: Callable[[], Desk]

    @classmethod
    def take_over(cls, http_layer: HttpLayer, desk: Callable[[], Desk]) -> None:
        """Turn a layer that mitmproxy has just made, and wired into its stack, into ours.

        `desk` is asked for each request: a client's connection may outlive many a change of the settings.
        """
        make_quiet()
        http_layer.__class__ = cls
        cast(BridgeHttpLayer, http_layer).desk = desk

    def _handle_event(self, event: events.Event) -> Commands:
        client = self.context.client
        if isinstance(event, events.Start) and client.alpn in (None, b"", b"http/1.1", b"http/1.0"):
            self.connections.setdefault(client, BridgeHttp1Server(self.context.fork()))  # mitmproxy leaves it there
        yield from super()._handle_event(event)
        if isinstance(event, events.OpenConnectionCompleted):
            self._forget_the_ended()
        elif isinstance(event, events.DataReceived) and event.connection is client:
            yield from self._tell_of_resets()

    def _tell_of_resets(self) -> Commands:
        """Tell a stream that its HTTP/2 client has reset it, where mitmproxy does not.

        A reset in the same segment as the request's end is lost: the stream is closed already when its end is read.
        """
        server = self.connections.get(self.context.client)
        if isinstance(server, Http2Server):
            for number, stream in list(self.streams.items()):
                ours = isinstance(stream, BridgeStream) and stream.turn is not None
                if ours and number not in server.streams and server.is_closed(number):
                    reset = RequestProtocolError(number, "stream reset by client", ErrorCode.CANCEL)
                    yield from self.event_to_child(stream, reset)

    def event_to_child(self, child: layer.Layer | HttpStream, event: events.Event) -> Commands:
        yield from super().event_to_child(child, event)
        if isinstance(child, BridgeStream) and child.turn is not None and child.stream_id not in self.streams:
            _let_go(child)

    def make_stream(self, stream_id: int) -> Commands:
        stream = BridgeStream(self.context.fork(), stream_id)
        stream.desk, stream.http_layer = self.desk(), self
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> Commands:
        guard = self.desk().guard
        egress = guard.egress
        if not isinstance(event, AskQwen):
            # Qwen's site in the user's browser: its firewall ties a session to the address that it comes from.
            visited = egress is not None and event.via is None and event.address == guard.address
            if egress is not None and visited and not self._can_reuse(event):
                yield from self._tunnel(event, egress)
            else:
                yield from super().get_connection(event, reuse=reuse)
            return
        for connection in self.connections:
            # mitmproxy answers every later request with the first failure; a retry wants a new try.
            if isinstance(connection, Server) and connection.error and not connection.connected:
                connection.error = None
        tunnelled = egress is not None and event.via == way(egress) and not self._can_reuse(event)
        opening = self._tunnel(event, egress) if egress and tunnelled else super().get_connection(event, reuse=reuse)
        for command in opening:
            if isinstance(command, commands.OpenConnection):
                for connection in self.connections:
                    if isinstance(connection, Server) and not connection.connected:
                        # A retry needs a connection of its own: mitmproxy's HTTP/2 client would reuse the stream's id.
                        connection.alpn_offers = [b"http/1.1"]
            yield command

    def _can_reuse(self, event: GetHttpConnection) -> bool:
        """Whether a connection is there, or being made, that mitmproxy will take for this one."""
        multiplexed = self.context.client.alpn == b"h2"  # of such a client it takes none that is in use already
        return any(
            event.connection_spec_matches(connection)
            and (connection in self.waiting_for_establishment or (connection.connected and not multiplexed))
            for connection in self.connections
        )

    def _tunnel(self, event: GetHttpConnection, egress: Egress) -> Commands:
        """What mitmproxy does for a new connection, with our own tunnel at its bottom."""
        context = self.context.fork()
        context.server = Server(address=event.address, transport_protocol=event.transport_protocol, via=event.via)
        stack = tunnel.LayerStack() / tunnel_to(context, egress)
        if event.tls:
            context.server.sni = event.address[0]
            stack /= ServerTLSLayer(context)
        stack /= HttpClient(context)
        self.connections[context.server] = stack[0]
        self.waiting_for_establishment[context.server].append(event)
        yield from self.event_to_child(stack[0], events.Start())

    def stalled(self, stream_id: int) -> bool:
        """Whether too much of an answer waits for a client that opens no window for it.

        In HTTP/1 the socket itself holds Qwen's answer back; an HTTP/2 client that does not read one of its streams is
        sent nothing, and mitmproxy would keep everything.
        """
        server = self.connections.get(self.context.client)
        waiting = server.h2_conn.stream_buffers.get(stream_id, ()) if isinstance(server, Http2Server) else ()
        return len(waiting) > BACKLOG_PIECES or sum(len(piece.data) for piece in waiting) > BACKLOG

    def _forget_the_ended(self) -> None:
        """Drop connections to servers that are over: no event comes from them any more.

        mitmproxy keeps each, with its last request, until the client leaves, and for an HTTP/2 client it makes one for
        every request; an editor may stay for days (12 KiB a request were measured).
        """
        used = {stream.context.server for stream in self.streams.values()}
        for connection in list(self.connections):
            over = isinstance(connection, Server) and connection.timestamp_end and not connection.connected
            if over and connection not in used:
                del self.connections[connection]

    def make_ready(self, connection: Connection) -> None:
        """Make the end of an HTTP/1 connection to Qwen, which waits for its next request, ours."""
        end = self.connections[connection].context.layers[-1]
        if type(end) is Http1Client:
            BridgeHttp1Client.take_over(end)

    def silence(self, connection: Connection) -> None:
        """Let nothing that `connection` still brings reach a stream: it may be on its next attempt already."""
        self.connections[connection] = _Silence(self.context.fork())


def _let_go(stream: BridgeStream) -> None:
    """Untie a stream that is over from itself.

    mitmproxy's own references make a circle (`context.layers`, and states that are bound methods). In it the whole
    turn, history and all, would wait for the garbage collector, whose full round is rare: memory swung by what some
    hundred requests need.
    """
    stream.context.layers = []
    stream.client_state = stream.server_state = _over


def _over(_event: events.Event) -> Commands:
    """The state of a stream that has been dropped: what still comes is for nobody."""
    yield from ()


class _Silence(layer.Layer):
    """Takes every event and says nothing."""

    def _handle_event(self, event: events.Event) -> Commands:
        yield from ()
