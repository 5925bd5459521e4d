"""Several bridges on one Redis, behind a load balancer, and what happens when Redis goes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.harness.balancer import balancer
from tests.harness.effective import context_of, history_of
from tests.harness.proxy import Proxy, mitmdump
from tests.harness.redis_server import RedisServer, redis_server
from tests.harness.simulate import RemoteSimulator

TURNS = 6


@contextlib.contextmanager
def two_bridges(qwen: RemoteSimulator, folder: Path, redis: RedisServer) -> Iterator[list[Proxy]]:
    """Two mitmdump, each with a folder of its own, that share nothing but Redis."""
    with contextlib.ExitStack() as stack:
        proxies = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            chosen = {"store": "redis", "redis_url": redis.url}
            proxies.append(stack.enter_context(mitmdump(qwen.url, folder / name, **chosen)))
        yield proxies


def ask(url: str, history: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """One turn on a connection of its own; where it went, and the answer."""
    told = httpx.post(
        f"{url}/v1/chat/completions", json={"model": "gpt-4o", "messages": history}, timeout=30, trust_env=False
    )
    assert told.status_code == 200, told.text
    return told.headers["x-qwen-bridge-conversation"], told.json()["choices"][0]["message"]


def until_no_leases(redis: RedisServer) -> None:
    """Wait until no bridge says that it is answering."""
    while b"lease:" in redis.says(b"KEYS *lease:*"):
        time.sleep(0.05)


def log_of(proxy: Proxy) -> str:
    """All it wrote; whole only once the process has ended, for a turn's line is written after its answer."""
    assert proxy.log is not None
    assert proxy.process is not None
    assert proxy.process.poll() is not None
    return proxy.log.read_text(encoding="utf-8", errors="replace")


def test_a_conversation_over_alternating_processes_stays_one_chat(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Each turn lands on the other process, and each continues where the one before it ended."""
    history, routes = list[dict[str, Any]](), list[str]()
    with (
        redis_server(tmp_path) as redis,
        two_bridges(qwen, tmp_path, redis) as proxies,
        balancer(tmp_path, [proxy.port for proxy in proxies]) as url,
    ):
        for turn in range(TURNS):
            history.append({"role": "user", "content": f"question {turn}"})
            route, answer = ask(url, history)
            routes.append(route)
            history.append(answer)
    served = [log_of(proxy).count("conversation=") for proxy in proxies]
    assert served == [TURNS // 2, TURNS // 2]
    assert [turn["message"] for turn in qwen.turns] == [f"question {turn}" for turn in range(TURNS)]
    assert len({turn["chat_id"] for turn in qwen.turns}) == 1
    assert routes[0] == "new"
    assert [route.partition(" saved=")[0] for route in routes[1:]] == [
        f"hit depth={2 * turn}/{2 * turn + 1}" for turn in range(1, TURNS)
    ]


def test_without_redis_turns_cost_more_and_are_right(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """Redis is killed and comes back in mid-conversation: whole histories meanwhile, one warning, no error."""
    history: list[dict[str, Any]] = []
    routes: list[str] = []
    with redis_server(tmp_path, keeps=True) as redis, two_bridges(qwen, tmp_path, redis) as proxies:
        for turn in range(6):
            if turn == 2:
                until_no_leases(redis)  # one that is kept over the kill would be waited for
                redis.kill()
            if turn == 4:
                redis.start()
            history.append({"role": "user", "content": f"question {turn}"})
            route, answer = ask(proxies[turn % 2].url, history)
            routes.append(route.partition(" saved=")[0])
            assert context_of(qwen.turns[-1]) == history_of(history)
            history.append(answer)
    logs = [log_of(proxy) for proxy in proxies]
    # Turn 2 finds in its own memory what it said itself, one turn ago; turn 3 likewise, on the other process.
    assert routes == [
        "new",
        "hit depth=2/3",
        "hit depth=2/5 edited@2",
        "hit depth=4/7 edited@4",
        "hit depth=6/9 edited@6",
        "hit depth=10/11",
    ]
    for log in logs:
        assert log.count("the conversation store cannot be used") == 1
        assert log.count("the conversation store answers again") == 1
        assert redis.url not in log


def streamed(url: str, history: list[dict[str, Any]], begun: threading.Event) -> bytes:
    """One streamed turn, all of it; `begun` once its first word is there."""
    body = {"model": "gpt-4o", "messages": history, "stream": True}
    said = b""
    with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60, trust_env=False) as answer:
        for data in answer.iter_raw():
            said += data
            if b'"content":"word' in said:
                begun.set()
    return said


def test_a_chat_that_another_bridge_answers_in_is_left_alone(qwen: RemoteSimulator, tmp_path: Path) -> None:
    """The same turn comes to the other bridge while it is being answered: it goes to a new chat with all its history,
    and the first is heard to its end. A bridge that is killed in the middle holds its chat for seconds, no longer.
    """
    history = [{"role": "user", "content": "question 0"}]
    with (
        redis_server(tmp_path) as redis,
        two_bridges(qwen, tmp_path, redis) as (one, two),
        ThreadPoolExecutor() as threads,
    ):
        history += [ask(one.url, history)[1], {"role": "user", "content": "question 1"}]
        qwen.script({"text": "word " * 100, "pace": 20})
        begun = threading.Event()
        first = threads.submit(streamed, one.url, history, begun)
        assert begun.wait(20)
        assert redis.says(b"KEYS *lease:*").count(b"lease:") == 1
        assert ask(two.url, history)[0] == "miss reason=avoided"
        said = first.result(60)
        assert said.endswith(b"data: [DONE]\n\n")
        assert not any(turn["aborted"] for turn in qwen.turns)
        chat = qwen.turns[0]["chat_id"]
        assert [turn["chat_id"] == chat for turn in qwen.turns] == [True, True, False]
        assert context_of(qwen.turns[2]) == history_of(history)

        history += [{"role": "assistant", "content": ("word " * 100).strip()}, {"role": "user", "content": "and then"}]
        qwen.script({"text": "word " * 1000, "pace": 20})
        begun.clear()
        second = threads.submit(streamed, one.url, history, begun)
        assert begun.wait(20)
        assert one.process is not None
        one.process.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            second.result(60)
        until_no_leases(redis)
        route, _ = ask(two.url, history)
        assert route.startswith("hit")
        assert qwen.turns[-1]["chat_id"] == chat
        assert context_of(qwen.turns[-1]) == history_of(history)
    assert b"lease:" not in redis.says(b"KEYS *lease:*")
