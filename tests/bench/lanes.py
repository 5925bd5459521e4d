"""The three ways from the load to the upstream, as processes: straight, through bare mitmproxy, through the bridge.

=========  ===================================================  ======================================================
way        what the load sends                                  what is in between
=========  ===================================================  ======================================================
`direct`   a Qwen question, to the upstream itself              nothing: what load and upstream cost by themselves
`pass`     the same, to the proxy as to a server                mitmdump with a redirect and `stream = True`
`bridge`   a Chat Completions request, to the same way in       mitmdump with addons/bridge.py
=========  ===================================================  ======================================================
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.bench.load import Job, Sample
from tests.bench.upstream import STAMP, speech
from tests.harness.proxy import ROOT, mitmdump, started, wait_until_listening
from tests.harness.qwen_browser import COMPLETIONS, HEADERS, NEW_CHAT, completion
from tests.harness.sockets import HOST, free_port

QUESTION = "How does a bench begin?"
QUIET = ("-q", "--set", "ssl_insecure=true")
"""For both proxies. The upstream's certificate is made anew each time; a handshake is no part of what is measured."""


class BenchError(Exception):
    """A measurement could not be taken; the text says what came instead."""


@dataclass(frozen=True)
class Lane:
    """One way. `requests` makes so many requests for it, each good once; `pid` is the process in between."""

    name: str
    port: int
    tls: bool
    pid: int | None
    requests: Callable[[int], list[str]]


@dataclass(frozen=True)
class Task:
    """What every way is given: `streams` answers of `pieces` pieces, `pace` a second, begun `ramp` seconds apart."""

    streams: int
    pieces: int
    pace: float | None
    ramp: float


class Upstream:
    """The stamping simulator that runs at `url`."""

    def __init__(self, port: int, tls: bool) -> None:
        self.port = port
        self.tls = tls
        self.url = f"{'https' if tls else 'http'}://{HOST}:{port}"
        self._http = httpx.Client(base_url=self.url, verify=False, trust_env=False, timeout=60)

    def prepare(self, task: Task) -> None:
        """Forget what was, and queue an answer for every stream."""
        self._post("/_simulator/reset")
        answer = {"text": speech(task.pieces), "chunk": len(STAMP), "pace": task.pace}
        self._post("/_simulator/script", {"answers": [answer] * task.streams})

    def questions(self, streams: int) -> list[str]:
        """So many questions, each in a chat of its own."""
        chats = [self._post("/api/v2/chats/new", NEW_CHAT)["data"]["id"] for _ in range(streams)]
        return [post(f"{COMPLETIONS}?chat_id={chat}", HEADERS, completion(chat, QUESTION)) for chat in chats]

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: object = None) -> Any:
        return self._http.post(path, json=body, headers=HEADERS).raise_for_status().json()


def conversations(streams: int) -> list[str]:
    """So many streamed Chat Completions requests, none of which goes on from another."""
    messages = [{"role": "user", "content": QUESTION}]
    body = {"model": "qwen3-max", "stream": True, "messages": messages}
    return [post("/v1/chat/completions", {"authorization": f"Bearer key-{key}"}, body) for key in range(streams)]


def post(target: str, headers: dict[str, str], body: object) -> str:
    """A whole HTTP/1.1 request."""
    content = json.dumps(body)  # ASCII, so characters are bytes
    fields = {"host": HOST, "content-type": "application/json", **headers, "content-length": str(len(content))}
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines) + "\r\n\r\n" + content


@contextlib.contextmanager
def running(folder: Path, *, tls: bool) -> Iterator[tuple[Upstream, list[Lane]]]:
    """The upstream and both proxies, up for as long as the bench takes: idle, they cost nothing that is counted."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(_upstream(folder, tls=tls))
        passing = stack.enter_context(_passing(folder, upstream.url))
        bridge = stack.enter_context(mitmdump(upstream.url, folder, *QUIET, account_streams=0))
        assert bridge.process is not None
        yield (
            upstream,
            [
                Lane("direct", upstream.port, upstream.tls, None, upstream.questions),
                Lane("pass", passing[0], False, passing[1], upstream.questions),
                Lane("bridge", bridge.port, False, bridge.process.pid, conversations),
            ],
        )


def measure(lane: Lane, upstream: Upstream, task: Task) -> Sample:
    """One load over one way. Raises `BenchError` when an answer did not come whole."""
    upstream.prepare(task)
    requests = lane.requests(task.streams)
    job = Job(lane.port, lane.tls, requests, task.pieces, task.pace, task.ramp, lane.pid)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(asdict(job)),
        capture_output=True,
        cwd=ROOT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{lane.name}, {task.streams} streams: {done.stderr.strip()}")
    return Sample(**json.loads(done.stdout))


@contextlib.contextmanager
def _upstream(folder: Path, *, tls: bool) -> Iterator[Upstream]:
    port = free_port()
    log = folder / "upstream.log"
    command = [sys.executable, "-m", "tests.bench.upstream", str(port), *(["--tls"] if tls else [])]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        upstream = Upstream(port, tls)
        try:
            yield upstream
        finally:
            upstream.close()


@contextlib.contextmanager
def _passing(folder: Path, url: str) -> Iterator[tuple[int, int]]:
    """Bare mitmproxy: its port and its process."""
    port = free_port()
    log = folder / "passing.log"
    script = str(Path(__file__).with_name("passing.py"))
    program = str(Path(sys.executable).with_name("mitmdump"))
    command = [program, "-s", script, "--listen-host", HOST, "-p", str(port), *QUIET]
    for option in (f"confdir={folder / 'passing'}", "connection_strategy=lazy", f"passing_to={url}"):
        command += ["--set", option]
    with started(command, log) as process:
        wait_until_listening(port, process, log)
        yield port, process.pid
