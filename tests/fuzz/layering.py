"""One case through mitmproxy's HTTP layer with our streams in it, without sockets: bytes in, commands out."""

from __future__ import annotations

import random
import time
from typing import Any, cast
from unittest import mock

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands, layer

from tests.conformance.framing import strict_json
from tests.conformance.invariants import check_body, check_error, check_stream
from tests.fuzz.accidents import cut
from tests.fuzz.answers import answer
from tests.fuzz.responses import Response, read_frames, read_responses
from tests.fuzz.wires import KINDS
from tests.proxy.driving import Bridged, chunk

ROUNDS = 60
QWEN = ("127.0.0.1", 9000)


async def one(seed: int, options: Options) -> list[str]:
    """What is wrong about one case; nothing, if all is well. Exceptions are for the caller."""
    alpn, drive, found = await _driven(random.Random(seed), options)
    if drive.turns:
        found.append(f"{len(drive.turns)} turns are kept")
    read = read_frames if alpn else read_responses
    return found + [fault for response in read(drive.answer) for fault in judged(response)]


async def statuses(seed: int, options: Options) -> list[int]:
    """What the client of one case is told, by status."""
    alpn, drive = (await _driven(random.Random(seed), options))[:2]
    return [response.status for response in (read_frames if alpn else read_responses)(drive.answer)]


async def _driven(rng: random.Random, options: Options) -> tuple[str, Bridged, list[str]]:
    alpn, make = rng.choice(KINDS)
    drive = Bridged(options, alpn.encode(), attempts=3, patience=0)
    found: list[str] = []
    for piece in cut(rng, make(rng)):
        if drive.client.state & ConnectionState.CAN_READ:
            drive.receive(piece)
            found += await _through(drive, rng)
    drive.closed(drive.client)  # by the other side, or wound up after the layer has closed it
    found += await _through(drive, rng)
    if drive.turns:
        found += await _long_after(drive, rng)
    return alpn, drive, found


def judged(response: Response) -> list[str]:
    """What is illegal about a response; mitmproxy's own about bytes that are no HTTP are not ours to judge."""
    if not response.ours or not response.complete:
        return []
    if response.status >= 400:
        return check_error(response.status, response.headers, response.body) if response.body else []
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        failed = not response.body.endswith(b"data: [DONE]\n\n")
        usage = b'"usage":null' in response.body
        return check_stream(response.body, include_usage=usage, tools=NAMES, expect_error=failed)
    value = strict_json(response.body.decode()) if response.body else {}
    return check_body(value, tools=NAMES) if value.get("object") == "chat.completion" else []


NAMES = ("read_file", "list_files")


async def _through(drive: Bridged, rng: random.Random) -> list[str]:
    """Let happen what has to happen: hooks, connections to Qwen and its answers, a timer now and then."""
    for _ in range(ROUNDS):
        await _settle(drive)
        waiting = drive.all(commands.OpenConnection)
        if waiting:
            address = waiting[-1].connection.address
            if address != QWEN:
                drive.opened("nobody is there")
                if address is not None and "openai" in address[0]:
                    return [f"a connection to {address}"]
                continue
            if rng.random() < 0.1:
                drive.opened("refused")
                continue
            server = drive.opened()
            await _settle(drive)
            _answer(drive, rng, server)
            continue
        timers = drive.all(commands.RequestWakeup)
        if not timers or rng.random() < 0.1:
            return []
        drive.wake(rng.randrange(len(timers)))
    return []


async def _long_after(drive: Bridged, rng: random.Random) -> list[str]:
    """An hour later. mitmproxy tells nobody of an HTTP/2 stream whose end and reset came in one segment: such a turn is
    over when Qwen's answer is, or when the patience with it is.
    """
    now = time.monotonic()
    for later in (now + 3600.0, now + 7200.0):  # an exchange hears of a silence from one look at the clock to the next
        with mock.patch("qwen_bridge.proxy.stream.time.monotonic", return_value=later):
            for timer in drive.all(commands.RequestWakeup):
                drive.wake(drive.all(commands.RequestWakeup).index(timer))
                await _settle(drive)
    return await _through(drive, rng)


async def _settle(drive: Bridged) -> None:
    """As `Bridged.settle`, but for tunnels, of which there are none here."""
    for hook in drive.all(layer.NextLayerHook):
        cast(Any, hook).data.layer = _Silent(cast(Any, hook).data.context)
        drive.done(hook)
    await drive.settle()


class _Silent(layer.Layer):
    """What is behind a tunnel: nothing."""

    def _handle_event(self, _event: Any) -> layer.CommandGenerator[None]:
        yield from ()


def _answer(drive: Bridged, rng: random.Random, server: Connection) -> None:
    """One of Qwen's answers, in whatever pieces, perhaps cut."""
    told = answer(rng)
    if told.status is None:
        drive.closed(server)
        return
    lines = [f"HTTP/1.1 {told.status} x", *(f"{name}: {value}" for name, value in told.headers)]
    head = "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()
    data = head + b"".join(chunk(piece) for piece in told.pieces if piece)
    if told.ending == "finished":
        data += b"0\r\n\r\n"
    for piece in cut(rng, data):
        if not server.state & ConnectionState.CAN_READ:
            return
        drive.receive(piece, server)
    if told.ending == "lost" and server.state & ConnectionState.CAN_READ:
        drive.closed(server)
