"""Clients of mitmdump that read slowly, or no more: the slow get all, the stuck are ended by their own reason."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_leaving import FRAME, OPENED
from tests.harness.patience import looked_at
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.simulate import RemoteSimulator
from tests.harness.sockets import HOST
from tests.harness.wire import CHAT, failure, question, request, said, text_of

MEGABYTE = 1024 * 1024
ENDED = (
    'data: {"choices": [{"delta": {"role": "assistant", "content": "", "phase": "answer", "status": "finished"}}]}\n\n'
)


@contextlib.contextmanager
def asking(proxy: Proxy) -> Iterator[socket.socket]:
    """A client with little room of its own that has asked a question and read nothing yet."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(30)
        client.connect((HOST, proxy.port))
        client.sendall(request(question(stream=True), host="bridge", connection="close"))
        yield client


def rest(client: socket.socket) -> bytes:
    """All that is still to be read."""
    return b"".join(iter(lambda: client.recv(MEGABYTE), b""))


def body_of(answer: bytes) -> bytes:
    """The body of a chunked answer."""
    body, chunks = b"", answer.partition(b"\r\n\r\n")[2]
    pieces = []
    at = 0
    while size := int(chunks[at : (end := chunks.index(b"\r\n", at))], 16):
        pieces.append(chunks[end + 2 : end + 2 + size])
        at = end + 4 + size
    return body.join(pieces)


def memory(proxy: Proxy) -> float:
    """Megabytes that the process holds."""
    assert proxy.process is not None
    pages = Path(f"/proc/{proxy.process.pid}/statm")
    if not pages.exists():
        pytest.skip("this system has no /proc")
    return int(pages.read_text().split()[1]) * 4096 / MEGABYTE


def test_a_stuck_client_is_ended_by_its_own_reason(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """It reads one byte and stops: Qwen, which is held back, is not blamed but stopped, and memory does not grow."""
    chosen: dict[str, Any] = {"idle_timeout": 0.5, "client_timeout": 2, "keepalive": 0.1, "store": "memory"}
    with mitmdump(qwen.url, tmp_path, **chosen) as proxy, httpx.Client(base_url=proxy.url, trust_env=False) as http:
        text_of(http.post(CHAT, json=question()))
        before = memory(proxy)
        qwen.script({"text": "x" * 40 * MEGABYTE, "chunk": 16_000, "pace": 400})
        with asking(proxy) as client:
            client.recv(1)
            counted = looked_at(lambda: http.get("/metrics").text, lambda text: "client_stalled" in text)
            grown = memory(proxy) - before
            turns = looked_at(lambda: qwen.turns, lambda turns: turns[-1]["aborted"])
            answer = rest(client)
        assert text_of(http.post(CHAT, json=question("next")))
    assert 'faults_total{action="give_up",code="client_stalled"} 1.0' in counted
    assert "qwen_timeout" not in counted
    assert turns[-1]["aborted"]
    assert grown < 15
    assert failure(body_of(b"H" + answer)) == "client_stalled"
    assert proxy.log is not None
    assert "outcome='client_stalled'" in proxy.log.read_text()


def test_a_slow_client_gets_everything(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Its pauses are longer than the silence that Qwen is allowed; it is Qwen that waits, and nothing is lost."""
    frames = 3000
    qwen.script({"raw": OPENED + (FRAME % ("x" * 4000)) * frames + ENDED})
    chosen: dict[str, Any] = {"idle_timeout": 0.5, "client_timeout": 20, "store": "memory"}
    with mitmdump(qwen.url, tmp_path, **chosen) as proxy, asking(proxy) as client:
        answer = b""
        while len(answer) < 4 * MEGABYTE:
            time.sleep(1.0)
            end = len(answer) + MEGABYTE
            while len(answer) < end:
                answer += client.recv(MEGABYTE)
        answer += rest(client)
    body = body_of(answer)
    assert body.endswith(b"data: [DONE]\n\n")
    assert said(body) == "x" * 4000 * frames
