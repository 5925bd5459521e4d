"""Whatever the wire to Qwen does, the client sees one answer, or one error that says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mitmproxy import ctx, http

from qwen_bridge.proxy import addon
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings
from tests.conformance.invariants import check_error, check_stream
from tests.harness.proxy import Proxy
from tests.harness.sockets import HOST, free_port
from tests.harness.wire import (
    CHAT,
    COMMENT,
    addon_of,
    failure,
    live_streams,
    question,
    road,
    said,
    text_of,
    until,
    until_forgotten,
)

HELLO = "Hello from the other side."
LONG = HELLO * 100
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
pytestmark = pytest.mark.usefixtures("no_errors_logged")


def failures(proxy: Proxy) -> int:
    """How many attempts of the present turns have failed so far."""
    exchanges = [turn.exchange for turn in addon_of(proxy)._turns.values()]
    return sum(len(exchange.failures) for exchange in exchanges if exchange is not None)


async def answer_to(client: httpx.AsyncClient, *, stream: bool = False, words: str = "Hello") -> str:
    """The text of one good answer, its form judged."""
    answer = await client.post(CHAT, json=question(words, stream=stream))
    if not stream:
        return text_of(answer)
    assert answer.status_code == 200, answer.text
    assert check_stream(answer.content, include_usage=False) == []
    return said(answer.content)


# -- before the first word: the client sees only the answer -------------------------------------------------------


@STREAMED
@pytest.mark.parametrize("fault", ["refuse", "reset_before_headers", "close_before_headers"])
async def test_two_lost_attempts_are_not_seen(fault: str, stream: bool, simulator: Simulator, tmp_path: Path) -> None:
    """Qwen breaks the connection twice without an answer, then speaks: the client sees what it said, and no more."""
    simulator.script([{"fault": fault}, {"fault": fault}, {"text": HELLO}])
    async with road(simulator, tmp_path) as (_, client):
        assert await answer_to(client, stream=stream) == HELLO
    assert len(simulator.ledger.to_json()["refused"]) == 2
    assert len(simulator.ledger.to_json()["turns"]) == 1


@STREAMED
async def test_a_refused_connection_is_tried_again(stream: bool, tmp_path: Path) -> None:
    """Nobody listens for a while: mitmproxy's memory of the failed connection does not answer the next attempt."""
    async with Simulator(free_port()) as simulator, road(simulator, tmp_path) as (proxy, client):
        assert await answer_to(client) != ""  # the chat's own connection is made; the stream's is not kept open
        await simulator.stop_listening()
        simulator.script([{"text": HELLO}])
        asking = asyncio.create_task(answer_to(client, stream=stream))
        await until(lambda: failures(proxy), "the first attempt is refused")
        await simulator.listen()
        assert await asking == HELLO


@STREAMED
@pytest.mark.parametrize("fault", ["reset_mid_stream", "cut_mid_stream"])
async def test_a_stream_cut_before_its_first_word_is_asked_again(
    fault: str, stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Only Qwen's opening frame came through: nothing was shown, so there is another attempt, at the same parent."""
    simulator.script([{"fault": fault, "after": 1, "text": "lost"}, {"text": HELLO}])
    async with road(simulator, tmp_path) as (_, client):
        assert await answer_to(client, stream=stream) == HELLO
    first, second = simulator.ledger.to_json()["turns"]
    assert (first["chat_id"], first["parent_id"]) == (second["chat_id"], second["parent_id"])


@STREAMED
@pytest.mark.parametrize("fault", ["parent_not_exist", "chat_deleted"])
async def test_a_lost_place_is_replaced_by_the_whole_history(
    fault: str, stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Qwen knows the parent, or the chat, no more: every earlier word goes to a new chat, unseen by the client."""
    simulator.script([{"text": "First answer."}, {"fault": fault}, {"text": HELLO}])
    talk: list[dict[str, str]] = [{"role": "user", "content": "First question"}]
    async with road(simulator, tmp_path) as (_, client):
        await client.post(CHAT, json={"model": "gpt-4o", "messages": talk})
        talk += [{"role": "assistant", "content": "First answer."}, {"role": "user", "content": "Second question"}]
        answer = await client.post(CHAT, json={"model": "gpt-4o", "messages": talk, "stream": stream})
        assert (said(answer.content) if stream else text_of(answer)) == HELLO
    ledger = simulator.ledger.to_json()
    assert [refused["reason"] for refused in ledger["refused"]] == [fault]
    first, last = ledger["turns"]
    assert last["chat_id"] != first["chat_id"]
    assert last["parent_id"] is None
    for words in ("First question", "First answer.", "Second question"):
        assert words in last["message"]


# -- after the first word: an error event, and no invented end ----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("reset_mid_stream", "qwen_answer_cut_off"),
        ("cut_mid_stream", "qwen_answer_cut_off"),
        ("gzip_cut", None),
        ("stall_mid_stream", "qwen_timeout"),
        ("late_error", "qwen_refused"),
        ("late_data_inspection", "content_filter"),
    ],
)
async def test_a_failure_after_words_is_an_error_event(
    fault: str, code: str | None, simulator: Simulator, tmp_path: Path
) -> None:
    """The words stay, exactly one error event follows, with neither finish_reason nor [DONE], and nobody asks again."""
    simulator.script([{"text": HELLO, "fault": fault, "after": 4, "pace": 200}])
    patience = 0.4 if code == "qwen_timeout" else 20
    async with road(simulator, tmp_path, idle_timeout=patience) as (proxy, client):
        answer = await client.post(CHAT, json=question(stream=True))
        assert answer.status_code == 200
        assert check_stream(answer.content, include_usage=False, expect_error=True) == []
        words = said(answer.content)
        assert words
        assert HELLO.startswith(words)
        assert code is None or failure(answer.content) == code
        await until_forgotten(proxy)
        await until(lambda: not simulator.world.running, "the chat is free")
        assert await answer_to(client) != ""  # on the same connection of the client
    assert len(simulator.ledger.to_json()["turns"]) == 2


@pytest.mark.parametrize("fault", ["reset_mid_stream", "late_error"])
async def test_a_whole_answer_that_breaks_is_asked_again(fault: str, simulator: Simulator, tmp_path: Path) -> None:
    """Without streaming the client has seen no word before the end, so a broken answer is not its last."""
    simulator.script([{"text": "lost", "fault": fault, "after": 3}, {"text": HELLO}])
    async with road(simulator, tmp_path) as (_, client):
        assert await answer_to(client) == HELLO


# -- silence ------------------------------------------------------------------------------------------------------


async def test_qwen_silent_from_the_start_is_a_timeout(simulator: Simulator, tmp_path: Path) -> None:
    """No byte within `first_byte_timeout`: 504 in OpenAI's envelope, and not asked again."""
    simulator.script([{"fault": "stall_before_headers"}])
    async with road(simulator, tmp_path, first_byte_timeout=0.3) as (proxy, client):
        answer = await client.post(CHAT, json=question())
        assert answer.status_code == 504
        assert check_error(answer.status_code, dict(answer.headers), answer.content) == []
        assert answer.json()["error"]["code"] == "qwen_timeout"
        await until_forgotten(proxy)
    assert len(simulator.ledger.to_json()["refused"]) == 1


async def test_keep_alive_opens_the_stream_before_qwen_does(simulator: Simulator, tmp_path: Path) -> None:
    """Qwen takes its time to its headers: status 200 and comments go out at once, then the answer as usual."""
    simulator.script([{"text": HELLO, "fault": "slow_start", "delay": 60}])
    async with (
        road(simulator, tmp_path, keepalive=0.1) as (_, client),
        client.stream("POST", CHAT, json=question(stream=True)) as answer,
    ):
        assert answer.status_code == 200
        raw = b""
        async for piece in answer.aiter_raw():
            raw += piece
            if raw == COMMENT * 3:
                simulator.hurry()
    assert raw.startswith(COMMENT * 3)
    assert check_stream(raw, include_usage=False) == []
    assert said(raw) == HELLO


async def test_an_error_after_a_keep_alive_is_an_event(simulator: Simulator, tmp_path: Path) -> None:
    """The status is out already: what would have been a 504 becomes an error event."""
    simulator.script([{"fault": "stall_before_headers"}])
    async with road(simulator, tmp_path, keepalive=0.1, first_byte_timeout=0.5) as (_, client):
        answer = await client.post(CHAT, json=question(stream=True))
    assert answer.status_code == 200
    assert answer.content.startswith(COMMENT)
    assert check_stream(answer.content, include_usage=False, expect_error=True) == []
    assert failure(answer.content) == "qwen_timeout"


async def test_retries_after_a_keep_alive_go_on(simulator: Simulator, tmp_path: Path) -> None:
    """A comment is no word of the answer: an attempt that fails after it is still repeated unseen."""
    simulator.script([{"fault": "reset_before_headers"}, {"fault": "reset_before_headers"}, {"text": HELLO}])
    async with road(simulator, tmp_path, keepalive=0.1) as (_, client):
        answer = await client.post(CHAT, json=question(stream=True))
    assert answer.content.startswith(COMMENT)
    assert check_stream(answer.content, include_usage=False) == []
    assert said(answer.content) == HELLO


async def test_keep_alive_fills_pauses_within_the_answer(simulator: Simulator, tmp_path: Path) -> None:
    """Comments come between the words too, never inside an event."""
    simulator.script([{"text": "one two three", "chunk": 4, "pace": 5}])
    async with road(simulator, tmp_path, keepalive=0.06) as (_, client):
        answer = await client.post(CHAT, json=question(stream=True))
    assert check_stream(answer.content, include_usage=False) == []
    assert said(answer.content) == "one two three"
    after_a_word = answer.content.partition(b'"content":"one')[2]
    assert COMMENT in after_a_word


async def test_a_whole_answer_has_no_comments(simulator: Simulator, tmp_path: Path) -> None:
    """A JSON body stays JSON, however long it took."""
    simulator.script([{"text": HELLO, "fault": "slow_start", "delay": 0.4}])
    async with road(simulator, tmp_path, keepalive=0.1) as (_, client):
        assert await answer_to(client) == HELLO


# -- forms of the same bytes --------------------------------------------------------------------------------------


@STREAMED
@pytest.mark.parametrize(
    "fault",
    ["gzip", "crlf", "one_byte_segments", "done_marker", "dual_candidates", "keep_alives", "trailers", "early_hints"],
)
async def test_odd_forms_read_the_same(
    fault: str, stream: bool, simulator: Simulator, tmp_path: Path, no_errors_logged: None
) -> None:
    """Compressed, with other line ends, byte by byte, with frames nobody needs, with what HTTP allows around the body:
    the same answer, and the connection goes on.
    """
    simulator.script([{"text": HELLO, "fault": fault}, {"text": HELLO, "fault": fault}])
    async with road(simulator, tmp_path) as (_, client):
        assert await answer_to(client, stream=stream) == HELLO
        assert await answer_to(client, stream=stream) == HELLO


class HandWritten:
    """A Qwen whose answer has a frame of HTTP that the simulator does not know."""

    FRAMES = b'data: {"response.created":{"chat_id": "c", "parent_id": "u", "response_id":"r"}} \n\n' + b"".join(
        b'data: {"choices": [{"delta": {"role": "assistant", "content": "%s", "phase": "answer", "status": "%s"}}]}\n\n'
        % part
        for part in ((b"Hello", b"typing"), (b"", b"finished"))
    )

    def __init__(self, head: bytes, body: bytes, *, closes: bool = False) -> None:
        self.answer = head + body
        self.closes = closes
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if b"/chats/new" in head:
            chat = json.dumps({"success": True, "request_id": "1", "data": {"id": "c"}}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
            writer.write(b"content-length: %d\r\n\r\n%s" % (len(chat), chat))
            return True
        writer.write(self.answer)
        return not self.closes

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[HandWritten]:
        server = await asyncio.start_server(self.serve, HOST, 0)
        self.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
FRAMES = HandWritten.FRAMES
CHUNKED = b"%x;extension=1\r\n%s\r\n0\r\n\r\n" % (len(FRAMES), FRAMES)
FORMS = {
    "content-length": HandWritten(HEAD + b"Content-Length: %d\r\n\r\n" % len(FRAMES), FRAMES),
    "until it closes": HandWritten(HEAD + b"Connection: close\r\n\r\n", FRAMES, closes=True),
    "chunk extension": HandWritten(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", CHUNKED),
    "HTTP/1.0": HandWritten(HEAD.replace(b"1.1", b"1.0") + b"\r\n", FRAMES, closes=True),
}


@STREAMED
@pytest.mark.parametrize("form", FORMS)
async def test_every_frame_of_http_is_read(form: str, stream: bool, tmp_path: Path) -> None:
    """A length, the end of the connection, chunk extensions: the client's own framing does not depend on Qwen's."""
    async with FORMS[form].listening() as qwen, road(qwen, tmp_path) as (_, client):
        for _ in range(2):
            assert await answer_to(client, stream=stream) == "Hello"


async def test_bad_chunks_are_a_cut_answer(tmp_path: Path) -> None:
    """Bytes that are no chunk: what was told stays, and the client hears of the failure once."""
    broken = HandWritten(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%s\r\nzz\r\n" % (len(FRAMES), FRAMES))
    broken.answer = broken.answer.replace(b'"finished"', b'"typing"  ')
    async with broken.listening() as qwen, road(qwen, tmp_path, keepalive=0.5) as (proxy, client):
        answer = await client.post(CHAT, json=question(stream=True))
        assert check_stream(answer.content, include_usage=False, expect_error=True) == []
        assert said(answer.content) == "Hello"
        await until_forgotten(proxy)


async def test_a_connection_to_qwen_is_used_again(tmp_path: Path) -> None:
    """Requests on one client connection share one connection to Qwen, beside that of the calls."""
    form = FORMS["content-length"]
    form.connections = 0
    async with form.listening() as qwen, road(qwen, tmp_path) as (_, client):
        for _ in range(3):
            await answer_to(client, stream=True)
    assert form.connections == 2


# -- TLS ----------------------------------------------------------------------------------------------------------


@STREAMED
async def test_qwen_over_tls(stream: bool, tmp_path: Path) -> None:
    """Calls and streams alike trust what mitmproxy's own option trusts, and retries make connections of their own."""
    async with Simulator(tls=True) as simulator:
        simulator.script([{"fault": "reset_before_headers"}, {"text": HELLO}])
        trust = {"ssl_verify_upstream_trusted_ca": str(simulator.ca_path)}
        async with road(simulator, tmp_path, plain=trust) as (_, client):
            assert await answer_to(client, stream=stream) == HELLO


async def test_trust_may_be_waived(tmp_path: Path) -> None:
    """mitmproxy's `ssl_insecure` counts for the calls beside the stream too."""
    async with Simulator(tls=True) as simulator, road(simulator, tmp_path, plain={"ssl_insecure": True}) as (_, client):
        assert await answer_to(client) != ""


@STREAMED
async def test_a_certificate_nobody_trusts_is_an_error(stream: bool, tmp_path: Path) -> None:
    """Qwen's certificate is not trusted: 502 in OpenAI's envelope after the policy's attempts, and no word to it."""
    async with Simulator(tls=True) as simulator, road(simulator, tmp_path, attempts=2) as (_, client):
        answer = await client.post(CHAT, json=question(stream=stream))
        assert answer.status_code == 502
        assert check_error(answer.status_code, dict(answer.headers), answer.content) == []
        assert answer.json()["error"]["code"] == "qwen_unreachable"
        assert answer.headers["x-should-retry"] == "false"
    assert simulator.ledger.to_json() == {"turns": [], "refused": []}


async def test_the_streams_own_connection_is_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call that opens the chat trusts the certificate, mitmproxy does not: an error, and no word to Qwen."""
    async with Simulator(tls=True) as simulator:
        trust = ssl.create_default_context(cafile=simulator.ca_path)
        monkeypatch.setattr(addon, "_tls", lambda _: trust)
        async with road(simulator, tmp_path, attempts=2) as (_, client):
            answer = await client.post(CHAT, json=question())
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "qwen_unreachable"
    assert [*simulator.world.chats]
    assert simulator.ledger.to_json()["turns"] == []


# -- a client that leaves -----------------------------------------------------------------------------------------


@STREAMED
@pytest.mark.parametrize(
    ("when", "entry"),
    [
        ("before headers", {"text": HELLO, "fault": "slow_start", "delay": 30}),
        ("in the middle", {"text": HELLO * 50, "pace": 20}),
    ],
)
async def test_a_client_that_leaves_takes_qwen_with_it(
    when: str, entry: dict[str, Any], stream: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """The connection to Qwen is closed, nothing stays behind, and the next client is served."""
    simulator.script([entry])
    async with road(simulator, tmp_path) as (proxy, client):
        asking = asyncio.create_task(client.post(CHAT, json=question(stream=stream)))
        await until(lambda: simulator.ledger.to_json()["turns"], "Qwen is asked")
        if when == "in the middle":
            await until(lambda: [g for _, g in simulator.world.running.values() if g.position > 4], "Qwen speaks")
        asking.cancel()
        await until(lambda: simulator.ledger.to_json()["turns"][0]["aborted"], "Qwen is left")
        await until_forgotten(proxy)
        assert await answer_to(client) != ""


async def test_a_client_that_leaves_while_the_bridge_waits(simulator: Simulator, tmp_path: Path) -> None:
    """Between two attempts nobody is connected to Qwen; the second attempt is not made."""
    simulator.script([{"fault": "chat_in_progress"}, {"text": HELLO}])
    async with road(simulator, tmp_path) as (proxy, client):
        asking = asyncio.create_task(client.post(CHAT, json=question(stream=True)))
        await until(lambda: simulator.ledger.to_json()["refused"], "the first attempt is refused")
        asking.cancel()
        await until_forgotten(proxy)
        assert simulator.ledger.to_json()["turns"] == []
        assert await answer_to(client) == HELLO


# -- hands on a running stream ------------------------------------------------------------------------------------


async def test_settings_may_change_while_a_stream_runs(simulator: Simulator, tmp_path: Path) -> None:
    """Two changes of the model: the running answer ends well and is remembered; the next request, on a connection
    from before, has the new model; the old bridges are closed when nobody needs them.
    """
    simulator.script([{"text": LONG, "chunk": 2, "pace": 20}])
    async with road(simulator, tmp_path, store="sqlite") as (proxy, client):
        async with client.stream("POST", CHAT, json=question(stream=True)) as answer:
            pieces = answer.aiter_raw()
            raw = await anext(pieces)
            ctx.options.update(qwen_model="qwen3-coder-plus")
            ctx.options.update(qwen_model="qwen3-max")
            assert len(addon_of(proxy)._retired) == 1
            simulator.hurry()
            raw += b"".join([piece async for piece in pieces])
        assert check_stream(raw, include_usage=False) == []
        assert said(raw) == LONG
        await until(lambda: not addon_of(proxy)._retired and not addon_of(proxy)._closing, "the old bridge is closed")
        history = [
            *question()["messages"],
            {"role": "assistant", "content": LONG},
            {"role": "user", "content": "More"},
        ]
        assert text_of(await client.post(CHAT, json={"model": "gpt-4o", "messages": history}))
        ctx.options.update(qwen_model="qwen3-coder-plus")
        await answer_to(client)
    first, second, third = simulator.ledger.to_json()["turns"]
    assert second["parent_id"] == first["response_id"]
    assert [chat.model for chat in simulator.world.chats] == ["qwen3-max", "qwen3-coder-plus"]
    assert third["parent_id"] is None


class Seen:
    """An addon of somebody else, which holds on to the flow whose answer begins."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self.flow = flow


async def test_a_killed_flow_ends(simulator: Simulator, tmp_path: Path) -> None:
    """The user kills the flow in the middle: the client's stream breaks off without an end, and Qwen is left."""
    simulator.script([{"text": HELLO * 100, "pace": 20}])
    async with road(simulator, tmp_path, keepalive=0.4) as (proxy, client):
        seen = Seen()
        ctx.master.addons.add(seen)
        raw = bytearray()

        async def read_and_kill() -> None:
            async with client.stream("POST", CHAT, json=question(stream=True)) as answer:
                async for piece in answer.aiter_raw():
                    raw.extend(piece)
                    if seen.flow.killable:
                        seen.flow.kill()

        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            await read_and_kill()
        assert b"[DONE]" not in raw
        assert b'"finish_reason":"stop"' not in raw
        del seen.flow
        await until(lambda: simulator.ledger.to_json()["turns"][0]["aborted"], "Qwen is left")
        await until_forgotten(proxy)
        assert await answer_to(client) != ""


async def test_a_flow_killed_before_its_answer_asks_nobody(simulator: Simulator, tmp_path: Path) -> None:
    """Killed in the request hook of another addon: the connection closes, and Qwen hears nothing."""

    class Killer:
        def request(self, flow: http.HTTPFlow) -> None:
            flow.kill()

    async with road(simulator, tmp_path) as (proxy, client):
        ctx.master.addons.add(Killer())
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected"):
            await client.post(CHAT, json=question())
        await until_forgotten(proxy)
    assert simulator.ledger.to_json()["turns"] == []


async def test_after_an_answer_no_timer_speaks(simulator: Simulator, tmp_path: Path) -> None:
    """Answers that need no exchange end the ticking too: the connection is quiet, and good for another request."""
    async with road(simulator, tmp_path, keepalive=0.1) as (_, client):
        for attempt in range(2):
            assert (await client.get("/v1/models")).status_code == 200
            assert (await client.post(CHAT, content=b"{")).status_code == 400
            await asyncio.sleep(0.1)
            assert await answer_to(client, stream=bool(attempt)) != ""


async def test_many_conversations_leave_nothing(tmp_path: Path) -> None:
    """Twenty streams at once, all kinds of ends: afterwards no turn and no stream is left."""
    faults = [None, "reset_before_headers", "late_error", "stall_mid_stream", "gzip"]
    async with Simulator(settings=Settings(max_streams=None)) as simulator:
        simulator.script([{"text": HELLO, "fault": faults[i % 5], "pace": 100} for i in range(24)])
        async with road(simulator, tmp_path, idle_timeout=1.5, account_streams=0) as (proxy, client):
            answers = await asyncio.gather(*(client.post(CHAT, json=question(f"{i}", stream=True)) for i in range(20)))
            assert {answer.status_code for answer in answers} == {200}
            await until_forgotten(proxy)
            assert live_streams() == []
