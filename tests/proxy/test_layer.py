"""mitmproxy's HTTP layer with our streams in it."""

from __future__ import annotations

import gc
import weakref

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HttpLayer

from qwen_bridge.proxy.desk import Desk
from qwen_bridge.proxy.layer import BridgeHttpLayer
from qwen_bridge.proxy.stream import BridgeStream
from tests.proxy.driving import ANSWER, Bridged, Drive, post


async def test_a_layer_is_taken_over_in_place(options: Options) -> None:
    """The same object, already wired into mitmproxy's stack, makes our streams from now on."""
    drive = Drive(options)
    layer = drive.layer
    assert type(layer) is HttpLayer
    bridged = Bridged(options)
    BridgeHttpLayer.take_over(layer, lambda: bridged.desk)
    assert drive.layer is layer
    drive.receive(post(b"{}"))
    (stream,) = layer.streams.values()
    assert isinstance(stream, BridgeStream)
    assert stream.turn is not None


async def test_each_request_has_the_desk_of_its_time(options: Options) -> None:
    """A connection outlives a change of the settings; a request that has begun keeps what it began with."""
    drive = Bridged(options)
    before = drive.desk
    server = await drive.ask()
    drive.desk = Desk(before.guard, before.door, before.network, before.turns, before.new_turn, 0.25)
    assert drive.stream.desk is before
    drive.receive(ANSWER, server)
    await drive.settle()
    drive.receive(post(b"{}"))
    assert drive.stream.desk is drive.desk


async def test_a_new_attempt_opens_a_connection_although_the_last_one_failed(options: Options) -> None:
    """mitmproxy would answer it with the failure it remembers."""
    drive = Bridged(options)
    drive.receive(post(b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}'))
    await drive.settle()
    failed = drive.opened("Connection refused")
    drive.wake(-1)
    await drive.settle()
    (command,) = drive.all(commands.OpenConnection)
    assert command.connection is not failed
    assert failed.error is None


async def test_an_open_connection_is_used_again(options: Options) -> None:
    """The next request of the same client goes over the connection to Qwen that is still there."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(ANSWER, server)
    await drive.settle()
    drive.receive(post(b'{"model":"gpt-4o","messages":[{"role":"user","content":"y"}]}'))
    await drive.settle()
    assert drive.all(commands.OpenConnection) == []
    assert drive.sent[server].count(b"POST /api/v2/chat/completions") == 2


async def test_qwen_is_spoken_to_in_http1(options: Options) -> None:
    """In HTTP/2 an attempt that follows another would meet the number of the former stream."""
    drive = Bridged(options, upstream="https://localhost:9000")
    drive.receive(post(b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}'))
    await drive.settle()
    (command,) = drive.all(commands.OpenConnection)
    assert command.connection.alpn_offers == [b"http/1.1"]
    assert command.connection.sni == "localhost"


async def test_other_peoples_connections_are_not_touched(options: Options) -> None:
    """A foreign request leaves the protocol of its server to mitmproxy."""
    drive = Bridged(options)
    drive.receive(b"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    drive.through()
    (command,) = drive.all(commands.OpenConnection)
    assert list(command.connection.alpn_offers) == []


async def test_a_silenced_connection_reaches_no_stream(options: Options) -> None:
    """Whatever it still brings is taken without a word, its end included."""
    drive = Bridged(options)
    server = await drive.ask()
    assert isinstance(drive.layer, BridgeHttpLayer)
    drive.layer.silence(server)
    drive.receive(ANSWER, server)
    server.state = ConnectionState.OPEN
    drive.closed(server)
    await drive.settle()
    assert drive.answer == b""
    assert drive.stream.server_state == drive.stream.state_await_head


async def test_connections_that_are_over_are_dropped(options: Options) -> None:
    """A client that stays for days makes one after the other; those that still live are kept."""
    drive = Bridged(options)
    first = await drive.ask()
    drive.receive(ANSWER, first)
    await drive.settle()
    drive.closed(first)
    first.timestamp_end = 1.0
    second = await drive.ask()
    assert first not in drive.layer.connections
    assert second in drive.layer.connections
    drive.receive(ANSWER, second)
    await drive.settle()
    assert drive.answer.count(b"[DONE]") == 2


@pytest.mark.parametrize("leaves", [False, True], ids=["answered", "left"])
async def test_a_turn_that_is_over_is_held_by_nothing(leaves: bool, options: Options) -> None:
    """Its memory is free at once, without the garbage collector; a tick that was still to come finds nobody."""
    drive = Bridged(options)
    gc.collect()
    gc.disable()
    try:
        server = await drive.ask()
        turn = weakref.ref(drive.stream.turn or pytest.fail("not ours"))
        stream = weakref.ref(drive.stream)
        if leaves:
            drive.closed(drive.client)
        else:
            drive.receive(ANSWER, server)
        await drive.settle()
        assert drive.layer.streams == {}
        for _ in drive.all(commands.RequestWakeup):
            drive.wake()
        drive.told.clear()
        assert (turn(), stream()) == (None, None)
    finally:
        gc.enable()
