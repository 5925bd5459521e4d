"""A client's HTTP/1 connection at mitmproxy's layer; through real processes: tests/e2e/test_bad_requests.py."""

from __future__ import annotations

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HTTPMode

from qwen_bridge.proxy.http1 import LONGEST_AHEAD, LONGEST_HEAD, BridgeHttp1Client, BridgeHttp1Server
from qwen_bridge.proxy.layer import BridgeHttpLayer
from tests.proxy.driving import ANSWER, END, STREAMED, Bridged, Drive, post


def connected(options: Options, alpn: bytes = b"") -> Drive:
    return Drive(options, lambda context: BridgeHttpLayer(context, HTTPMode.regular), alpn)


async def test_it_takes_mitmproxys_place(options: Options) -> None:
    """mitmproxy leaves a connection that is there already as it is; one of HTTP/2 is its own."""
    drive = connected(options)
    assert type(drive.layer.connections[drive.client]) is BridgeHttp1Server
    drive = connected(options, b"h2")
    assert type(drive.layer.connections[drive.client]) is not BridgeHttp1Server


async def test_what_is_no_request_gets_no_page(options: Options) -> None:
    """OpenAI's envelope, and the end of the connection."""
    drive = connected(options)
    drive.receive(b"hello\r\n\r\n")
    sent = drive.sent[drive.client]
    assert sent.startswith(b"HTTP/1.1 400 ")
    assert b"<html" not in sent
    assert b'"code":"invalid_request"' in sent
    assert drive.client.state is ConnectionState.CLOSED


async def test_a_head_without_end_is_not_kept(options: Options) -> None:
    """Beyond a limit it is refused and no more is read."""
    drive = connected(options)
    drive.receive(b"GET / HTTP/1.1\r\n")
    drive.receive(b"x: y\r\n" * (LONGEST_HEAD // 6))
    assert drive.sent[drive.client].startswith(b"HTTP/1.1 431 ")
    assert drive.client.state is ConnectionState.CLOSED


async def test_empty_lines_ahead_of_a_request_are_skipped(options: Options) -> None:
    """However they are cut, and as many as there are; alone they are nothing."""
    for lines in ([b"\r\n"], [b"\r\n\n\r\n"], [b"\r", b"\n"], [b"\r\n" * 1000]):
        drive = connected(options)
        for line in lines:
            drive.receive(line)
        assert not drive.sent[drive.client]
        drive.receive(b"hello\r\n\r\n")
        assert drive.sent[drive.client].startswith(b"HTTP/1.1 400 ")


async def test_another_protocol_of_the_same_form_is_refused(options: Options) -> None:
    """What says HTTP/2.0 in plain text knows no answer of an unknown length in HTTP/1."""
    drive = connected(options)
    drive.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert drive.sent[drive.client].startswith(b"HTTP/1.1 400 ")
    assert drive.client.state is ConnectionState.CLOSED
    assert not drive.layer.streams


async def test_what_is_sent_ahead_without_end_is_not_kept(options: Options) -> None:
    """Beyond a limit, a client that sends on while it is being answered is taken for gone."""
    drive = Bridged(options)
    await drive.ask()
    drive.receive(bytes(LONGEST_AHEAD))
    assert drive.layer.streams
    drive.receive(b"x")
    await drive.settle()
    assert drive.client.state is ConnectionState.CLOSED
    assert not drive.layer.streams


# -- Qwen's end ---------------------------------------------------------------------------------------------------

TRAILERS = b"0\r\nserver-timing: model\r\nx-checksum: 1\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(
    "answer",
    [ANSWER, ANSWER.removesuffix(END) + TRAILERS, HINTS + ANSWER, HINTS * 300 + ANSWER.removesuffix(END) + TRAILERS],
    ids=["as ever", "trailers", "a hint", "hints and trailers"],
)
async def test_what_http_allows_around_an_answer_is_dropped(answer: bytes, cut: bool, options: Options) -> None:
    """The client gets the same, and the connection to Qwen is good for the next question."""
    drive = Bridged(options)
    server = await drive.ask()
    assert type(drive.layer.connections[server].context.layers[-1]) is BridgeHttp1Client
    for _ in range(2):
        for piece in [bytes([byte]) for byte in answer] if cut else [answer]:
            drive.receive(piece, server)
            await drive.settle()
        assert drive.answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert server.state is ConnectionState.OPEN
        drive.sent[drive.client] = b""
        drive.receive(post(STREAMED))
        await drive.settle()
        assert not drive.all(commands.OpenConnection)


async def test_what_is_no_http_behind_an_interim_answer_is_a_lost_one(options: Options) -> None:
    """A change of protocol that nobody has asked for: asked again on another connection."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n\x00\x01 something else\r\n\r\n", server)
    await drive.settle()
    assert server.state is ConnectionState.CLOSED
    drive.wake(-1)
    await drive.settle()
    assert drive.all(commands.OpenConnection)
