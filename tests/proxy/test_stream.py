"""A stream of ours, event by event: what is sent where, what is closed, what is left."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from mitmproxy.connection import ConnectionState
from mitmproxy.http import Response
from mitmproxy.options import Options
from mitmproxy.proxy import commands

from qwen_bridge.exchange.exchange import Exchange
from qwen_bridge.proxy import guard
from qwen_bridge.proxy.capture import Capture
from tests.proxy.driving import ANSWER, END, HEAD, QUESTION, STREAMED, Bridged, chunk, opening, post, words

FAILURE = b'data: {"error": {"code": "internal_error", "details": "internal error"}}\n\n'


async def test_a_turn_goes_there_and_back(options: Options) -> None:
    """The question replaces the request, the answer comes chunk by chunk, and the stream is dropped at its end."""
    drive = Bridged(options)
    server = await drive.ask()
    head, _, body = drive.sent[server].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v2/chat/completions?chat_id=chat HTTP/1.1\r\nhost: 127.0.0.1:9000")
    assert b"bridge" not in head.lower()
    assert b"Hello" in body
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    assert b'"content":"Hi"' in drive.answer
    drive.receive(words("!") + words("", "finished") + END, server)
    await drive.settle()
    assert drive.answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert drive.layer.streams == {}
    assert drive.turns == {}
    assert server.state is ConnectionState.OPEN


async def test_hooks_come_in_mitmproxys_order(options: Options) -> None:
    """Other addons see our flows as they see all flows; our two hooks stand between."""
    drive = Bridged(options)
    drive.receive(ANSWER, await drive.ask())
    await drive.settle()
    assert drive.hooks == [
        "requestheaders",
        "request",
        "qwen_bridge_attempt",
        "responseheaders",
        "qwen_bridge_remember",
        "response",
    ]


async def test_the_body_of_the_flow_is_what_was_sent(options: Options) -> None:
    """mitmproxy keeps no streamed body; the flow shows ours."""
    drive = Bridged(options)
    server = await drive.ask()
    flow = drive.stream.flow
    drive.receive(ANSWER, server)
    await drive.settle()
    assert flow.response is not None
    assert flow.response.raw_content is not None
    assert flow.response.raw_content.endswith(b"data: [DONE]\n\n")


# -- the request --------------------------------------------------------------------------------------------------


async def test_a_request_is_not_streamed_whatever_an_option_says(options: Options) -> None:
    """With `stream_large_bodies` and an addon that asks for streaming, nothing leaves before the body is whole."""
    options.update(stream_large_bodies="1")
    drive = Bridged(options)
    whole = post(STREAMED)
    drive.receive(whole[:-5])
    hook = drive.hook("requestheaders")
    hook.args()[0].request.stream = True
    await drive.settle()
    assert drive.all(commands.OpenConnection) == []
    assert drive.stream.flow.request.stream is False
    drive.receive(whole[-5:])
    await drive.settle()
    assert len(drive.all(commands.OpenConnection)) == 1


async def test_a_body_over_the_limit_is_thrown_away(options: Options) -> None:
    """The rest is read and dropped, the answer is 413, and the connection goes on."""
    drive = Bridged(options, request_limit=100)
    head, _, _ = post(b"x" * 300).partition(b"\r\n\r\n")
    drive.receive(head + b"\r\n\r\n")
    await drive.settle()
    for _ in range(2):
        drive.receive(b"x" * 100)
    assert len(drive.stream.request_body_buf) == 0
    drive.receive(b"x" * 100)
    await drive.settle()
    assert b"413 Request Entity Too Large" in drive.answer or b"413 Content Too Large" in drive.answer
    assert b'"code":"request_too_large"' in drive.answer
    await drive.ask()


@pytest.mark.parametrize("host", [b"", b"Host: bad host\r\n"])
async def test_a_base_url_needs_no_host(host: bytes, options: Options) -> None:
    """A request to the listener itself that names no host, or none that can be read, is served nevertheless."""
    drive = Bridged(options)
    drive.receive(post(STREAMED, version=b"1.0").replace(b"Host: bridge\r\n", host))
    await drive.settle()
    assert len(drive.all(commands.OpenConnection)) == 1


async def test_a_malformed_request_ends_the_connection(options: Options) -> None:
    """Its length is in doubt: OpenAI's 400, and no further byte is read from here."""
    drive = Bridged(options)
    drive.receive(post(QUESTION, b"Transfer-Encoding: chunked"))
    await drive.settle()
    assert drive.answer.startswith(b"HTTP/1.1 400 Bad Request")
    assert b'"code":"invalid_request"' in drive.answer
    assert drive.client.state is ConnectionState.CLOSED
    assert drive.turns == {}


async def test_what_stands_behind_a_malformed_request_is_no_request(options: Options) -> None:
    """Its end is in doubt: the rest may be its body, written so that we take it for another's request."""
    drive = Bridged(options)
    drive.receive(post(b"", b"Content-Length : 3") + post(STREAMED))
    await drive.settle()
    assert drive.hooks.count("requestheaders") == 1
    assert drive.answer.count(b"HTTP/1.1") == 1
    assert not drive.all(commands.OpenConnection)


async def test_a_malformed_http2_request_ends_alone(options: Options) -> None:
    """In HTTP/2 the frame says where a request ends: the other streams of the connection go on."""
    drive = Bridged(options, b"h2")
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    fields = [
        (":method", "POST"),
        (":path", "/v1/chat/completions"),
        (":scheme", "http"),
        (":authority", "localhost:8080"),
    ]
    for stream, more in ((1, [("no(token", "x")]), (3, [])):
        client.send_headers(stream, [*fields, *more])
        client.send_data(stream, STREAMED, end_stream=True)
    drive.receive(client.data_to_send())
    await drive.settle()
    told = client.receive_data(drive.answer)
    assert [event.stream_id for event in told if isinstance(event, StreamEnded)] == [1]
    assert drive.client.state is ConnectionState.OPEN
    assert len(drive.all(commands.OpenConnection)) == 1
    assert [*drive.layer.streams] == [3]


async def test_an_http2_clients_connection_to_qwen_ends_with_its_answer(options: Options) -> None:
    """Nobody would use it again, and a client that stays for days would pile them up."""
    drive = Bridged(options, b"h2")
    client = H2Connection(H2Configuration(client_side=True))
    client.initiate_connection()
    target = ((":scheme", "http"), (":authority", "localhost:8080"), (":path", "/v1/chat/completions"))
    client.send_headers(1, ((":method", "POST"), *target))
    client.send_data(1, STREAMED, end_stream=True)
    server = await drive.ask(client.data_to_send())
    assert drive.sent[server].startswith(b"POST /api/v2/chat/completions?chat_id=chat HTTP/1.1\r\nhost: 127.0.0.1:9000")
    drive.receive(ANSWER, server)
    await drive.settle()
    assert [event.stream_id for event in client.receive_data(drive.answer) if isinstance(event, StreamEnded)] == [1]
    assert server.state is ConnectionState.CLOSED


async def test_another_addons_answer_goes_out(options: Options) -> None:
    """A response set in the request hook is delivered as mitmproxy does it, and no connection is opened."""
    drive = Bridged(options)
    drive.receive(post(STREAMED))
    drive.done(drive.hook("requestheaders"))
    drive.hook("request").args()[0].response = Response.make(418, b"teapot")
    await drive.settle()
    assert drive.answer.startswith(b"HTTP/1.1 418")
    assert "qwen_bridge_attempt" not in drive.hooks
    assert drive.layer.streams == {}


# -- attempts -----------------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_tried_anew(options: Options) -> None:
    """Each attempt opens a connection of its own, after its wait; the policy's last failure is an OpenAI error."""
    drive = Bridged(options, attempts=3)
    drive.receive(post(STREAMED))
    servers = []
    for attempt in range(3):
        await drive.settle()
        servers.append(drive.opened("refused"))
        if attempt < 2:
            assert drive.all(commands.OpenConnection) == []
            drive.wake(-1)
    await drive.settle()
    assert len(set(map(id, servers))) == 3
    assert drive.answer.startswith(b"HTTP/1.1 502 Bad Gateway")
    assert b'"code":"qwen_unreachable"' in drive.answer
    assert drive.layer.streams == {}


async def test_the_failed_attempts_connection_cannot_speak_any_more(options: Options) -> None:
    """After a bad chunk mitmproxy's client tells the failure twice; the second one must not fail the next attempt."""
    drive = Bridged(options)
    first = await drive.ask()
    drive.receive(HEAD + b"no chunk\r\n", first)
    await drive.settle()
    drive.wake(-1)
    await drive.settle()
    second = drive.opened()
    await drive.settle()
    drive.closed(first)
    drive.receive(ANSWER, second)
    await drive.settle()
    assert b'"content":"Hi!"' in drive.answer
    assert drive.answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_an_answer_that_ends_before_its_connection_closes_it(options: Options) -> None:
    """An error of Qwen's within the stream is final: what it may still send is cut off, and moves nobody."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    drive.receive(chunk(FAILURE) + words("more") + END, server)
    await drive.settle()
    assert server.state is ConnectionState.CLOSED
    assert b'"code":"qwen_refused"' in drive.answer
    assert b"more" not in drive.answer
    drive.closed(server)
    assert drive.layer.streams == {}


# -- time ---------------------------------------------------------------------------------------------------------


async def test_ticks_go_on_until_the_answer_is_over(options: Options) -> None:
    """One timer at a time while the exchange lives, and none asked for after it."""
    drive = Bridged(options)
    server = await drive.ask()
    for _ in range(3):
        assert drive.wake().delay == drive.desk.tick
        assert len(drive.all(commands.RequestWakeup)) == 1
    drive.receive(ANSWER, server)
    await drive.settle()
    before = drive.answer
    drive.wake()
    assert drive.all(commands.RequestWakeup) == []
    assert drive.answer == before


async def test_a_tick_after_an_answer_without_an_exchange_is_silent(options: Options) -> None:
    """Refused before any exchange began: the timer that was set meanwhile says nothing to the next request."""
    drive = Bridged(options)
    drive.receive(post(b"{"))
    await drive.settle()
    assert b"400 Bad Request" in drive.answer
    drive.sent.clear()
    drive.wake()
    assert drive.sent == {}
    assert drive.all(commands.RequestWakeup) == []


async def test_a_tick_during_a_hook_waits(options: Options) -> None:
    """A timer that goes off while the stream waits for the addon speaks afterwards."""
    drive = Bridged(options)
    drive.receive(post(STREAMED))
    drive.done(drive.hook("requestheaders"))
    drive.done(drive.hook("request"))
    drive.wake()
    assert drive.all(commands.RequestWakeup) == []
    await drive.settle()
    drive.opened()
    assert len(drive.all(commands.RequestWakeup)) == 1


# -- the client leaves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["hook", "connecting", "asked", "answering", "waiting"])
async def test_the_client_may_leave_at_any_time(phase: str, options: Options) -> None:
    """Qwen's connection is closed if there is one, the turn is over once, and the stream is dropped."""
    drive = Bridged(options)
    drive.receive(post(STREAMED))
    server = None
    if phase == "hook":
        drive.done(drive.hook("requestheaders"))
        drive.done(drive.hook("request"))
    else:
        await drive.settle()
    if phase in ("asked", "answering"):
        server = drive.opened()
        await drive.settle()
    if phase == "answering":
        drive.receive(HEAD + opening() + words("Hi"), server)
        await drive.settle()
    if phase == "waiting":
        drive.opened("refused")
    drive.closed(drive.client)
    if phase == "connecting":
        server = drive.opened()
    await drive.settle()
    assert drive.layer.streams == {}
    assert drive.turns == {}
    assert drive.hooks.count("error") == 1
    assert "response" not in drive.hooks
    assert server is None or server.state is ConnectionState.CLOSED
    assert phase != "connecting" or drive.sent == {}
    for _ in drive.all(commands.RequestWakeup):
        drive.wake()
    assert drive.pending == []


async def test_a_killed_flow_ends_at_the_next_tick(options: Options) -> None:
    """The user's word counts in the middle of an answer too: both sides are closed, without an invented end."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    drive.stream.flow.kill()
    drive.wake()
    await drive.settle()
    assert server.state is ConnectionState.CLOSED
    assert drive.client.state is ConnectionState.CLOSED
    assert b"DONE" not in drive.answer
    assert drive.turns == {}


# -- bugs of ours -------------------------------------------------------------------------------------------------


def bang(*_: object) -> None:
    raise RuntimeError("a bug")


async def test_a_bug_before_the_answer_is_an_openai_error(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream's own code fails before a byte was sent: 500 in OpenAI's envelope, and Qwen is left."""
    drive = Bridged(options)
    server = await drive.ask()
    monkeypatch.setattr("qwen_bridge.proxy.stream.head_of", bang)
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    assert drive.answer.startswith(b"HTTP/1.1 500 Internal Server Error")
    assert guard.crash().message.encode() in drive.answer
    assert server.state is ConnectionState.CLOSED
    assert drive.turns == {}


async def test_a_bug_in_the_answer_breaks_it_off(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream's own code fails between two words: no end is invented, both sides are closed, the turn is over."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    monkeypatch.setattr(Capture, "add", bang)
    drive.receive(words("!"), server)
    await drive.settle()
    assert b"DONE" not in drive.answer
    assert server.state is ConnectionState.CLOSED
    assert drive.client.state is ConnectionState.CLOSED
    assert drive.turns == {}
    assert drive.hooks[-1] == "error"


async def test_a_bug_in_the_exchange_is_an_error_event(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange fails after words: the client is told so, legally."""
    drive = Bridged(options)
    server = await drive.ask()
    drive.receive(HEAD + opening() + words("Hi"), server)
    await drive.settle()
    monkeypatch.setattr(Exchange, "feed", bang)
    drive.receive(words("!"), server)
    await drive.settle()
    assert b'"code":"bridge_internal_error"' in drive.answer
    assert drive.answer.endswith(b"0\r\n\r\n")
    assert b"DONE" not in drive.answer


# -- not ours -----------------------------------------------------------------------------------------------------


async def test_a_foreign_request_is_mitmproxys_own(options: Options) -> None:
    """It is forwarded as it came, errors and all, and no turn is made."""
    drive = Bridged(options)
    drive.receive(b"GET http://example.com/x HTTP/1.1\r\nHost: example.com\r\n\r\n")
    drive.through()
    assert drive.turns == {}
    assert drive.all(commands.OpenConnection)[0].connection.address == ("example.com", 80)
    server = drive.opened()
    drive.through()
    assert drive.sent[server] == b"GET /x HTTP/1.1\r\nHost: example.com\r\n\r\n"
    drive.receive(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", server)
    drive.through()
    assert drive.answer == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
