"""Redis that is slow, gone, full, back again, shared or no Redis at all."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from qwen_bridge.ports import Anchor, StoreUnavailable
from qwen_bridge.store import redis
from qwen_bridge.store.redis import RedisStore
from tests.harness.redis_server import RedisServer, redis_server
from tests.store.clock import SetClock

ANCHOR = Anchor("chat", "node", "qwen3-max", "account", "instructions", 2)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where waiting is the matter may it matter how busy the machine is."""
    monkeypatch.setattr(redis, "WAIT_SECONDS", 60)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as started:
        yield started


@pytest.fixture
def shared(redis_url: str, tmp_path: Path) -> tuple[str, str]:
    """Address and a namespace of the test's own, in a Redis that nobody disturbs."""
    return redis_url, str(tmp_path)


@asynccontextmanager
async def opened(
    url: str, namespace: str = "test", max_anchors: int = 1000, clock: SetClock | None = None
) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, clock or SetClock(), ttl=3600, max_anchors=max_anchors, namespace=namespace)
    try:
        yield store
    finally:
        await store.close()


def at(number: int) -> Anchor:
    return Anchor(f"chat{number}", "node", "qwen3-max", "account", "instructions", 2)


async def patiently(store: RedisStore, key: str) -> dict[str, list[Anchor]]:
    """A look-up that is put again until it is answered: how long a started Redis takes is the machine's affair."""
    while True:
        try:
            return await store.find([key])
        except StoreUnavailable:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("keeps", [True, False])
async def test_killed_and_started_again(tmp_path: Path, keeps: bool) -> None:
    """Without Redis every call says so; once it is back the same store goes on, with what Redis has kept."""
    with redis_server(tmp_path, keeps=keeps) as server:
        async with opened(server.url) as store:
            await store.put("k", ANCHOR)
            server.kill()
            for call in (store.find(["k"]), store.put("l", ANCHOR), store.drop_chat("chat"), store.counts()):
                with pytest.raises(StoreUnavailable, match=r"Redis at 127\.0\.0\.1:\d+ failed"):
                    await call
            server.start()
            assert await patiently(store, "k") == ({"k": [ANCHOR]} if keeps else {})
            await store.put("l", ANCHOR)
            assert await store.find(["l"]) == {"l": [ANCHOR]}


async def test_restart_between_two_calls_is_not_noticed(server: RedisServer) -> None:
    """Connections that died while nobody looked, and scripts that were forgotten with them, cost no call."""
    async with opened(server.url) as store:
        await asyncio.gather(*(store.put(str(number), at(number)) for number in range(20)))
        server.kill()
        server.start()
        await asyncio.gather(*(store.put(str(number), at(number)) for number in range(20)))
        assert (await store.counts()).anchors == 20


async def test_idle_connection_that_was_cut_off(server: RedisServer) -> None:
    """A firewall that has forgotten an idle connection, and says so only when it is used again, costs no call."""
    cut = False

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal cut
        while data := await reader.read(65536):
            if cut:
                cut = False
                break
            writer.write(data)
        writer.transport.abort()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*server.address)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    firewall = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with firewall, opened(f"redis://127.0.0.1:{firewall.sockets[0].getsockname()[1]}") as store:
        await store.put("k", ANCHOR)
        cut = True
        assert await store.find(["k"]) == {"k": [ANCHOR]}
        assert not cut


async def test_started_before_redis(server: RedisServer) -> None:
    """A store may be made while there is no Redis yet."""
    server.kill()
    async with opened(server.url) as store:
        with pytest.raises(StoreUnavailable):
            await store.find(["k"])
        server.start()
        assert await patiently(store, "k") == {}


async def test_hanging_redis_is_left_alone(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that does not answer costs a bounded wait; its late answers are never taken for those of other calls."""
    async with opened(server.url) as store:
        for number in range(20):
            await store.put(str(number), at(number))
        server.pause()
        with monkeypatch.context() as impatient:
            impatient.setattr(redis, "WAIT_SECONDS", 0.05)
            late = await asyncio.gather(*(store.find([str(n)]) for n in range(20)), return_exceptions=True)
        assert {type(answer) for answer in late} == {StoreUnavailable}
        assert "did not answer within 0.05 seconds" in str(late[0])
        server.resume()
        await patiently(store, "k")
        found = await asyncio.gather(*(store.find([str(n)]) for n in range(20)))
        assert found == [{str(n): [at(n)]} for n in range(20)]


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*2\r\n$1\r\n", b"", b"+OK\r\n" * 9, None])
async def test_something_that_is_no_redis(greeting: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever listens at that address and says, or closes, or keeps silent: the store is unavailable."""
    monkeypatch.setattr(redis, "WAIT_SECONDS", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if greeting is not None:
            writer.write(greeting)
            writer.close()
        await reader.read()
        writer.close()  # Python 3.12's server waits for it

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    async with other, opened(f"redis://127.0.0.1:{port}") as store:
        for call in (store.find(["k"]), store.put("k", ANCHOR), store.counts()):
            with pytest.raises(StoreUnavailable):
                await call


async def test_full_redis_can_be_read(server: RedisServer) -> None:
    """A Redis without room refuses what is new and still finds what it has."""
    clock = SetClock()
    async with opened(server.url, clock=clock) as store:
        await store.put("k", ANCHOR)
        clock.time += 3600  # so that the look-up has a use to mark, and cannot
        assert server.says(b"CONFIG SET maxmemory 1") == b"+OK\r\n"
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await store.put("l", ANCHOR)
        assert await store.find(["k", "l"]) == {"k": [ANCHOR]}
        assert server.says(b"CONFIG SET maxmemory 0") == b"+OK\r\n"
        await store.put("l", ANCHOR)
        assert await store.find(["l"]) == {"l": [ANCHOR]}


async def test_a_cancelled_caller_does_not_unwrite(shared: tuple[str, str]) -> None:
    """What was to be remembered is written even when the client has left meanwhile, and closing waits for it."""
    async with opened(*shared) as store:
        waiting = [asyncio.create_task(store.put(str(n), ANCHOR)) for n in range(20)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    async with opened(*shared) as store:
        assert len(await store.find([str(n) for n in range(20)])) == 20


async def test_what_fails_behind_a_cancelled_caller_is_nobodys_news(server: RedisServer) -> None:
    """A client leaves while Redis is gone: asyncio reports no exception that was never looked at."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    async with opened(server.url) as store:
        server.kill()
        caller = asyncio.ensure_future(store.find(["key"]))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
    assert caller.cancelled()
    del caller  # its traceback still holds what it waited for
    gc.collect()  # where asyncio reports it
    assert reported == []


async def test_two_bridges_share_one_memory(shared: tuple[str, str]) -> None:
    """What one bridge remembers the other finds, and both together keep the bound."""
    async with opened(*shared, max_anchors=40) as one, opened(*shared, max_anchors=40) as other:
        await one.put("k", ANCHOR)
        assert await other.find(["k"]) == {"k": [ANCHOR]}
        await asyncio.gather(*((one, other)[n % 2].put(str(n), at(n)) for n in range(200)))
        assert 30 <= (await one.counts()).anchors <= 41  # one may be put while the other counts


async def test_namespaces_keep_apart(shared: tuple[str, str]) -> None:
    """Two set-ups on one server know nothing of one another."""
    url, namespace = shared
    async with opened(url, namespace) as one, opened(url, namespace + "-other") as other:
        await one.put("k", ANCHOR)
        assert (await other.find(["k"]), await other.drop_chat("chat"), await other.chats(9)) == ({}, 0, [])
        assert await one.find(["k"]) == {"k": [ANCHOR]}


async def test_much_is_done_in_parts(shared: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one call is done in several, with the same result."""
    monkeypatch.setattr(redis, "BATCH", 7)
    keys = [str(n) for n in range(50)]
    async with opened(*shared) as store:
        for n in range(50):
            await store.put(str(n), at(n))
        assert list(await store.find(keys)) == keys
        assert len(await store.chats(100)) == 50
        assert len(await store.chats(20)) == 20
    async with opened(*shared, max_anchors=30) as store:
        await store.put("new", ANCHOR)
        assert (await store.counts()).anchors <= 30
        assert await store.purge(-1) >= 25
        assert (await store.counts()).anchors == 0


@pytest.mark.parametrize(
    "url", ["", "http://h", "redis://:geheim/x@h:1", "redis://u:geheim@h:port/0", "redis://[geheim"]
)
def test_address_that_cannot_be_read(url: str) -> None:
    """A mistake in the address is said at once, and the address is not repeated: it may hold the password."""
    with pytest.raises(StoreUnavailable, match="write it like redis://") as told:
        RedisStore(url, SetClock(), ttl=1)
    assert "geheim" not in str(told.value)
    assert told.value.__suppress_context__


async def test_password(server: RedisServer) -> None:
    """With the right password all is well; a wrong one is unavailable and never quoted."""
    assert server.says(b"CONFIG SET requirepass right") == b"+OK\r\n"
    with_password = server.url.replace("//", "//:{}@")
    async with opened(with_password.format("right")) as store:
        await store.put("k", ANCHOR)
    for url in (with_password.format("geheim"), server.url):
        async with opened(url) as store:
            with pytest.raises(StoreUnavailable) as told:
                await store.find(["k"])
            assert "geheim" not in str(told.value)


def test_some_time_to_live_is_needed() -> None:
    """Keeping conversations for no time is a mistake."""
    with pytest.raises(ValueError, match="some time"):
        RedisStore("redis://127.0.0.1", SetClock(), ttl=0)
