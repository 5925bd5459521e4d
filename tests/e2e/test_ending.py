"""SIGTERM or Ctrl-C amid answers, with real processes: what runs may finish, the rest is told, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.world import Settings as World
from tests.conformance.invariants import check_error
from tests.harness.proxy import SESSION, Proxy, mitmdump, started, wait_until_listening
from tests.harness.sockets import free_port
from tests.harness.wire import CHAT, failure, question, said, until

ENDLESS = {"text": "an answer that takes its time " * 200, "chunk": 1, "pace": 20}
SHORT = {"text": "a short answer, said slowly", "chunk": 1, "pace": 20}
"""It takes more than a second and less than the patience of the bridge."""


@contextlib.contextmanager
def command(upstream: str, state: Path, *_: str, **chosen: str) -> Iterator[Proxy]:
    """`qwen-bridge run` as a process of its own."""
    port, log = free_port(), state / "run.log"
    words = [sys.executable, "-m", "qwen_bridge.cli", "run", "--port", str(port), "--state", str(state)]
    named = {"upstream": upstream, "confdir": str(state / "conf"), **SESSION, **chosen}
    words += [word for name, value in named.items() for word in ("--set", f"{name}={value}")]
    with started(words, log) as process:
        wait_until_listening(port, process, log)
        yield Proxy(port, state / "conf", process=process, log=log)


@pytest.fixture
async def qwen() -> AsyncIterator[Simulator]:
    """A Qwen that bears more than two answers at once."""
    async with Simulator(settings=World(max_streams=None)) as running:
        yield running


SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
ROADS = pytest.mark.parametrize("start", [mitmdump, command], ids=["mitmdump", "qwen-bridge run"])


async def post(http: httpx.AsyncClient, words: str, *, stream: bool = True) -> httpx.Response:
    return await http.post(CHAT, json=question(words, stream=stream))


def tell(proxy: Proxy, number: signal.Signals = signal.SIGTERM) -> None:
    assert proxy.process is not None
    proxy.process.send_signal(number)


async def ended(proxy: Proxy) -> int:
    """The exit status, once there is one."""
    assert proxy.process is not None
    return await asyncio.to_thread(proxy.process.wait, 60)


async def refused(http: httpx.AsyncClient) -> httpx.Response:
    """The first answer that says that the bridge is about to end."""
    for number in range(200):
        answer = await http.post(CHAT, json={"model": "gpt-4o", "messages": [], "n": number})
        if answer.status_code == 503:
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError("the bridge goes on as if nothing had happened")


@SIGNALS
@ROADS
async def test_what_runs_may_finish_and_the_rest_is_told(
    start: type[contextlib.AbstractContextManager[Proxy]], number: signal.Signals, qwen: Simulator, tmp_path: Path
) -> None:
    """Of three answers one ends in time; the others, one streamed and one not, and one in the queue, hear why."""
    qwen.script([ENDLESS, ENDLESS, SHORT])
    with start(qwen.url, tmp_path, drain="6", account_streams="3") as proxy:  # type: ignore[call-arg]
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=60) as http:
            asking = []
            for count, stream in enumerate((True, False, True), 1):
                asking.append(asyncio.create_task(post(http, f"question {count}", stream=stream)))
                await until(partial(taken, qwen, count), "it is being answered")
            queued = asyncio.create_task(post(http, "question 4"))
            await until(lambda: b"a request waits for its turn" in log_of(proxy), "the fourth waits")
            tell(proxy, number)
            told = [await refused(http), *[await each for each in (*asking, queued)]]
            status = await ended(proxy)
    late, streamed, whole, short, waiting = told
    for answer in (late, whole, waiting):
        assert not check_error(answer.status_code, answer.headers, answer.content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bridge_shutting_down")
        assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("true", "5")
    assert streamed.status_code == 200
    assert failure(streamed.content) == "bridge_shutting_down"
    assert b'finish_reason":"stop' not in streamed.content
    assert (said(short.content), short.content[-14:]) == (SHORT["text"], b"data: [DONE]\n\n")
    assert status == 0
    turns = {turn.message: turn.aborted for turn in qwen.ledger.turns}
    assert turns == {"question 1": True, "question 2": True, "question 3": False}


@SIGNALS
@ROADS
async def test_told_twice_it_ends_at_once(
    start: type[contextlib.AbstractContextManager[Proxy]], number: signal.Signals, qwen: Simulator, tmp_path: Path
) -> None:
    """Who does not want to wait says so again; that, too, is an orderly end for the caller."""
    qwen.script([ENDLESS])
    with start(qwen.url, tmp_path, drain="600") as proxy:  # type: ignore[call-arg]
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=60) as http:
            asking = asyncio.create_task(post(http, "question"))
            await until(lambda: qwen.ledger.turns, "it is being answered")
            tell(proxy, number)
            await refused(http)
            assert not asking.done()
            tell(proxy, number)
            assert await ended(proxy) == 0
            with contextlib.suppress(httpx.TransportError):
                await asking


@ROADS
async def test_a_conversation_goes_on_after_the_end(
    start: type[contextlib.AbstractContextManager[Proxy]], qwen: Simulator, tmp_path: Path
) -> None:
    """What was answered before it is continued in the same chat by the next bridge; nothing was deleted."""
    messages = [{"role": "user", "content": "remember: red"}]
    for words in ("count to 3", "count to 4"):
        with start(qwen.url, tmp_path) as proxy:  # type: ignore[call-arg]
            async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=60) as http:
                answer = (await http.post(CHAT, json={"model": "gpt-4o", "messages": messages})).json()
            tell(proxy)
            assert await ended(proxy) == 0
        messages += [answer["choices"][0]["message"], {"role": "user", "content": words}]
    assert len({turn.chat_id for turn in qwen.ledger.turns}) == 1


def taken(qwen: Simulator, number: int) -> bool:
    return len(qwen.ledger.turns) == number


def log_of(proxy: Proxy) -> bytes:
    assert proxy.log is not None
    return proxy.log.read_bytes()
