"""What Qwen might send on a bad day: noise, and good answers, refusals and calls with something broken in them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

from qwen_bridge.simulator.dialects import DIALECTS, write_call
from qwen_bridge.simulator.frames import Opening, render
from qwen_bridge.simulator.plan import Plan
from qwen_bridge.simulator.refusals import REFUSALS
from tests.exchange.driving import EVENT_STREAM, JSON, Answer
from tests.fuzz.accidents import cut, damaged
from tests.qwen.frames import STREAMS

PIECES = [
    *(b"data: ", b"data:", b"\n", b"\n\n", b"\r\n", b"\r", b": ", b"{", b"}", b'"', b"[DONE]", b"null", b"\xff\xfe"),
    *(
        b"event: x\n",
        b"<tool_call>",
        b"</tool_call>",
        b"\\u003c",
        b"<function=",
        b"</parameter>",
        b"```json",
        b"[DONE]",
    ),
    b'data: {"choices": [{"delta": {"content": "x", "phase": "answer", "status": "finished"}}]}\n\n',
]
ENDINGS: Sequence[Literal["finished", "lost", "silent"]] = ("finished", "finished", "finished", "lost", "silent")
OPENING = Opening(chat_id="chat-1", user_id="user-1", response_id="answer-1")


def _said(text: str) -> bytes:
    return b"".join(frame.data for frame in render(Plan(text=text, chunk=5), OPENING))


CALLS = [
    _said(f"I read.\n{write_call(dialect, name, {'path': 'a<b>.py', 'content': '</x>' * 3})}{behind}")
    for dialect in DIALECTS
    for name in ("read_file", "list_files", "rm")
    for behind in ("", "\nAnd so on.")
]
GOOD: Sequence[bytes] = [*STREAMS.values(), *CALLS]


def noise(rng: random.Random) -> bytes:
    """Any bytes at all."""
    return rng.randbytes(rng.choice([0, 1, 7, 200, 3000]))


def pieces(rng: random.Random) -> bytes:
    """The words of the protocol in any order."""
    return b"".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 60)))


def mutated(rng: random.Random) -> bytes:
    """A good stream after a few accidents."""
    return damaged(rng, rng.choice(GOOD), PIECES)


def cut_short(rng: random.Random) -> bytes:
    """A good stream that ends early."""
    data = rng.choice(GOOD)
    return data[: rng.randrange(len(data) + 1)]


KINDS: Sequence[Callable[[random.Random], bytes]] = (noise, pieces, mutated, mutated, mutated, cut_short)


def case(seed: int) -> bytes:
    """The body of one case; the same for the same seed everywhere."""
    rng = random.Random(seed)
    return rng.choice(KINDS)(rng)


def answer(rng: random.Random) -> Answer:
    """One attempt's answer: status, headers, a body in pieces, and how the connection ends."""
    ending = rng.choice(ENDINGS)
    drawn = rng.random()
    if drawn < 0.06:
        return Answer(status=None, ending="lost")
    if drawn < 0.4:
        return Answer(cut(rng, rng.choice(GOOD)))
    if drawn < 0.5:
        refusal = rng.choice(list(REFUSALS.values()))
        data = refusal.body.encode()
        data = damaged(rng, data, PIECES, 2) if rng.random() < 0.5 else data
        return Answer(cut(rng, data), refusal.status, (("content-type", refusal.content_type),), ending)
    body = rng.choice(KINDS)(rng)
    status = rng.choice([200] * 9 + [rng.choice([204, 302, 400, 401, 403, 404, 429, 500, 502, 503, 504, 999])])
    headers = EVENT_STREAM if rng.random() < 0.9 else rng.choice([JSON, (("content-type", "text/html"),), ()])
    if rng.random() < 0.1:
        headers = (*headers, ("content-encoding", rng.choice(["gzip", "deflate", "br", "zstd", "x", "gzip, gzip"])))
        body = zlib.compress(body, wbits=31) if rng.random() < 0.7 else body
        body = damaged(rng, body, PIECES, 2) if rng.random() < 0.5 else body
    if rng.random() < 0.05:
        headers = (*headers, ("retry-after", rng.choice(["5", "-1", "x", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT"])))
    return Answer(cut(rng, body), status, headers, ending)
