"""Over a real socket, byte by byte where a client library would hide what matters."""

from __future__ import annotations

import asyncio
import json

import h11
import pytest

from qwen_bridge.simulator.server import Simulator
from tests.harness.qwen_browser import COMPLETIONS, HEADERS, Browser, completion, text_of


def post(target: str, body: bytes, **headers: str) -> bytes:
    lines = {"host": "h", "content-length": str(len(body))} | HEADERS | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def get(target: str, **headers: str) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in ({"host": "h"} | HEADERS | headers).items())
    return f"GET {target} HTTP/1.1\r\n{head}\r\n".encode()


async def talk(simulator: Simulator, data: bytes, until: bytes) -> bytes:
    """Send, and read up to and with `until`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.readuntil(until), 10)
    finally:
        writer.close()


async def test_requests_that_come_together_are_answered_in_order(simulator: Simulator) -> None:
    """Pipelined requests each get their answer, one after the other, on one connection."""
    answers = await talk(simulator, get("/_simulator/ledger") + get("/x") + get("/_simulator/chats"), b"\r\n\r\n[]")
    assert answers.count(b"HTTP/1.1 ") == 3
    assert answers.index(b'{"turns":[]') < answers.index(b"404 Not Found") < answers.index(b"[]", -4)


async def test_a_request_may_come_in_pieces(simulator: Simulator) -> None:
    """A body that trickles in is waited for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    request = post("/_simulator/script", b'{"answers": [{}]}')
    for start in range(0, len(request), 40):
        writer.write(request[start : start + 40])
        await writer.drain()
        await asyncio.sleep(0)
    assert b'{"queued":1}' in await reader.readuntil(b"}")
    writer.close()


async def test_a_stream_is_chunked_frame_by_frame(simulator: Simulator, browser: Browser) -> None:
    """Each frame is one HTTP chunk, and the last chunk ends the body."""
    chat_id = await browser.new_chat()
    body = json.dumps(completion(chat_id, "count to 9")).encode()
    answer = await talk(simulator, post(f"{COMPLETIONS}?chat_id={chat_id}", body), b"0\r\n\r\n")
    head, _, chunked = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert b"content-type: text/event-stream" in head
    sizes, rest = [], chunked
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        sizes.append(int(size, 16))
        assert sizes[-1] == 0 or rest[: sizes[-1]].startswith(b"data: ")
        assert sizes[-1] == 0 or rest[: sizes[-1]].endswith(b"\n\n")
        rest = rest[sizes[-1] + 2 :]
    assert sizes[-1] == 0


async def test_cut_pieces_are_chunks_of_their_own(simulator: Simulator, browser: Browser) -> None:
    """However a body is cut, its pieces reach an HTTP parser as they were cut."""
    chat_id = await browser.new_chat()
    simulator.script([{"raw": "data: abc\n\n", "cuts": [3, 7]}])
    body = json.dumps(completion(chat_id, "hi")).encode()
    answer = await talk(simulator, post(f"{COMPLETIONS}?chat_id={chat_id}", body), b"0\r\n\r\n")
    assert answer.endswith(b"3\r\ndat\r\n4\r\na: a\r\n4\r\nbc\n\n\r\n0\r\n\r\n")


async def test_close_is_honoured(simulator: Simulator) -> None:
    """A client that wants the connection closed has it closed, after a stream as after a reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(get("/_simulator/chats", connection="close"))
    assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"[]")
    writer.close()


async def test_a_client_is_told_to_continue(simulator: Simulator) -> None:
    """`Expect: 100-continue` is answered before the body comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    request = post("/_simulator/script", b'{"answers": []}', expect="100-continue")
    writer.write(request[:-15])
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(request[-15:])
    assert b'{"queued":0}' in await reader.readuntil(b"}")
    writer.close()


@pytest.mark.parametrize(
    "rubbish", [b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"]
)
async def test_rubbish_is_answered_and_the_connection_closed(rubbish: bytes, simulator: Simulator) -> None:
    """What is no HTTP/1.1 gets 400 and an end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(rubbish)
    assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    writer.close()


async def test_a_refused_request_is_reset_before_its_body_is_read(simulator: Simulator, browser: Browser) -> None:
    """The head alone is enough for `refuse`, and the ledger has no byte of a body."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "refuse"}])
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(post(f"{COMPLETIONS}?chat_id={chat_id}", b"x" * 100)[:-100])
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert [(line.reason, line.request_bytes) for line in simulator.ledger.refused] == [("refuse", 0)]


async def test_one_byte_writes_are_still_http(simulator: Simulator, browser: Browser) -> None:
    """Headers and body in single bytes are the same answer to a strict parser."""
    chat_id = await browser.new_chat()
    simulator.script([{"fault": "one_byte_segments"}])
    body = json.dumps(completion(chat_id, "count to 3")).encode()
    answer = await talk(simulator, post(f"{COMPLETIONS}?chat_id={chat_id}", body), b"0\r\n\r\n")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    data = b""
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Data):
            data += bytes(event.data)
    assert text_of(data) == "1 2 3"
