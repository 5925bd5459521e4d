"""A client's HTTP/1 connection at mitmproxy's layer; through real processes: tests/e2e/test_bad_requests.py."""

from __future__ import annotations

from mitmproxy.connection import ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy.layers.http import HTTPMode

from qwen_bridge.proxy.http1 import LONGEST_HEAD, BridgeHttp1Server
from qwen_bridge.proxy.layer import BridgeHttpLayer
from tests.proxy.driving import Drive


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
