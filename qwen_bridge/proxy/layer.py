"""mitmproxy's HTTP layer with our streams in it. See `stream` for why, and for the test that guards the internals."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpLayer

from qwen_bridge.proxy.stream import AskQwen, BridgeStream, Commands
from qwen_bridge.proxy.turn import Desk


class BridgeHttpLayer(HttpLayer):
    """mitmproxy's HTTP layer with our streams in it."""

    desk: Callable[[], Desk]

    @classmethod
    def take_over(cls, http_layer: HttpLayer, desk: Callable[[], Desk]) -> None:
        """Turn a layer that mitmproxy has just made, and wired into its stack, into ours.

        `desk` is asked for each request: a client's connection may outlive many a change of the settings.
        """
        http_layer.__class__ = cls
        cast(BridgeHttpLayer, http_layer).desk = desk

    def make_stream(self, stream_id: int) -> Commands:
        stream = BridgeStream(self.context.fork(), stream_id)
        stream.desk, stream.http_layer = self.desk(), self
        self.streams[stream_id] = stream
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> Commands:
        if not isinstance(event, AskQwen):
            yield from super().get_connection(event, reuse=reuse)
            return
        for connection in self.connections:
            # mitmproxy answers every later request with the first failure; a retry wants a new try.
            if isinstance(connection, Server) and connection.error and not connection.connected:
                connection.error = None
        for command in super().get_connection(event, reuse=reuse):
            if isinstance(command, commands.OpenConnection):
                # A retry needs a connection of its own, or mitmproxy's HTTP/2 client would reuse the stream's id.
                command.connection.alpn_offers = [b"http/1.1"]
            yield command

    def silence(self, connection: Connection) -> None:
        """Let nothing that `connection` still brings reach a stream: it may be on its next attempt already."""
        self.connections[connection] = _Silence(self.context.fork())


class _Silence(layer.Layer):
    """Takes every event and says nothing."""

    def _handle_event(self, event: events.Event) -> Commands:
        yield from ()
