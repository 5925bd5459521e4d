from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import stamina

from qwen_bridge.errors import (
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ChatGone,
    ConnectionLost,
    ExpiredCredentials,
    QwenRefused,
    QwenTimeout,
    QwenUnreachable,
    UnknownModel,
)
from qwen_bridge.qwen.credentials import Credentials, request_headers
from qwen_bridge.qwen.payload import Turn, completion, completions_path
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.upstream.client import QwenClient
from tests.harness.odd import odd
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.sockets import free_port

SESSION = Credentials("sim-token", "", "sim-umid", "Mozilla/5.0 (X11; Linux x86_64)")


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """Three attempts, without the pauses between them."""
    with stamina.set_testing(True, attempts=3):
        yield


@contextlib.asynccontextmanager
async def client_at(url: str, tls: ssl.SSLContext | bool = True) -> AsyncIterator[QwenClient]:
    client = QwenClient(url, FixedClock(), CountedIds(), tls)
    try:
        yield client
    finally:
        await client.aclose()


# -- against the simulated site -------------------------------------------------------------------------------------


async def test_the_answer_being_written_is_found_and_stopped() -> None:
    """Its id comes from the chat itself; once it is stopped there is none."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        chat_id = await client.open_chat(SESSION, "qwen3-max", "x")
        assert await client.running(SESSION, chat_id) == ""
        simulator.script([{"text": "word " * 500, "pace": 20}])
        body = completion(Turn(chat_id, None, "qwen3-max", "Hi", False, "m", "a", 1))
        headers = request_headers(SESSION, origin=simulator.url, referer_chat_id=chat_id, request_id="r")
        async with (
            httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http,
            http.stream("POST", completions_path(chat_id), headers=dict(headers), content=body),
        ):
            running = await client.running(SESSION, chat_id)
            assert running == simulator.ledger.turns[0].response_id
            await client.stop(SESSION, chat_id, running)
        assert await client.running(SESSION, chat_id) == ""
        assert not simulator.world.busy(chat_id)


async def test_a_chat_is_opened_as_the_web_client_opens_it() -> None:
    """The site takes the request, and the chat has the model and the title asked for."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        chat_id = await client.open_chat(SESSION, "qwen3-max", "A title")
        chat = simulator.world.chats.get(chat_id)
        assert chat is not None
        assert (chat.title, chat.model) == ("A title", "qwen3-max")


async def test_the_models_are_those_of_the_account() -> None:
    """Ids and windows as the site names them."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        models = {model.id: model.context for model in await client.models(SESSION)}
    assert models["qwen3-coder-plus"] == 1_048_576
    assert "qwen3-max" in models


async def test_a_running_answer_can_be_stopped() -> None:
    """The chat is free again; to stop an answer that is over is no error, and one in a chat that is gone is."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        simulator.script([{"text": "word " * 200, "pace": 5}])
        chat_id = await client.open_chat(SESSION, "qwen3-max", "A title")
        turn = Turn(chat_id, None, "qwen3-max", "Hi", False, "m", "a", 1_800_000_000)
        headers = request_headers(SESSION, origin=simulator.url, referer_chat_id=chat_id, request_id="r")
        async with (
            httpx.AsyncClient(base_url=simulator.url, headers=headers, trust_env=False) as browser,
            browser.stream("POST", completions_path(chat_id), content=completion(turn)) as answer,
        ):
            assert answer.status_code == 200
            assert simulator.world.busy(chat_id)
            for _ in range(2):
                await client.stop(SESSION, chat_id, simulator.ledger.turns[0].response_id)
                assert not simulator.world.busy(chat_id)
        with pytest.raises(ChatGone):
            await client.stop(SESSION, "no-such-chat", "a")


@pytest.mark.parametrize(
    ("session", "kind"),
    [
        (Credentials("other-token", "", "sim-umid", "Mozilla/5.0"), ExpiredCredentials),
        (Credentials("sim-token", "", "other", "Mozilla/5.0"), ChallengeRequired),
        (Credentials("sim-token", "", "sim-umid", "curl"), ChallengeRequired),
    ],
)
async def test_a_session_that_the_site_refuses_is_told_as_what_it_is(
    session: Credentials, kind: type[BridgeError]
) -> None:
    """The client hears what to do, not that a call failed."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        for call in (
            client.models(session),
            client.open_chat(session, "qwen3-max", "t"),
            client.stop(session, "c", "r"),
        ):
            with pytest.raises(kind):
                await call


async def test_a_model_that_the_site_does_not_know_is_an_unknown_model() -> None:
    """A refusal under 200 is read from its body."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        with pytest.raises(UnknownModel):
            await client.open_chat(SESSION, "no-model", "t")


async def test_calls_share_a_connection() -> None:
    """One pool: the second call needs no new connection."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        await client.models(SESSION)
        await client.open_chat(SESSION, "qwen3-max", "t")
        assert len(simulator._connections) == 1


async def test_a_site_with_a_certificate_is_trusted_only_if_it_should_be() -> None:
    """TLS is checked against the context given, and not at all is never the default."""
    async with Simulator(tls=True) as simulator:
        trusting = ssl.create_default_context(cafile=str(simulator.ca_path))
        async with client_at(simulator.url, trusting) as client:
            assert await client.models(SESSION)
        async with client_at(simulator.url) as client:
            with pytest.raises(QwenUnreachable):
                await client.models(SESSION)


async def test_chats_are_deleted_and_those_gone_already_are_no_error() -> None:
    """One call for several; a refusal is an error all the same."""
    async with Simulator() as simulator, client_at(simulator.url) as client:
        one, two = [await client.open_chat(SESSION, "qwen3-max", "A title") for _ in range(2)]
        await client.delete_chats(SESSION, [one, "gone"])
        assert [chat.id for chat in simulator.world.chats] == [two]
    async with odd(b'{"success": false, "data": {"code": "Not_Found"}}') as (url, _), client_at(url) as client:
        with pytest.raises(BridgeError):
            await client.delete_chats(SESSION, [two])


# -- answers that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "headers", "kind"),
    [
        (b"<html>aliyun_waf_aa", "200 OK", ("content-type: text/html",), ChallengeRequired),
        (b"", "302 Found", ("location: https://x/_____tmd_____/punish",), ChallengeRequired),
        (b"oops", "200 OK", (), AnswerUnreadable),
        (b"[]", "200 OK", (), AnswerUnreadable),
        (b'{"success": true, "data": {}}', "200 OK", (), AnswerUnreadable),
        (b'{"success": false, "data": {"details": "x"}}', "200 OK", (), QwenRefused),
        (b'{"success": false}', "200 OK", ("x-actual-status-code: 401",), ExpiredCredentials),
        (b"", "500 Oops", (), QwenRefused),
        (b"", "504 Late", (), QwenTimeout),
    ],
)
async def test_any_other_answer_becomes_an_error_that_says_what_to_do(
    body: bytes, status: str, headers: tuple[str, ...], kind: type[BridgeError]
) -> None:
    """Status, headers and body together decide, also the status that the site hides in a header."""
    async with odd(body, status, *headers) as (url, _), client_at(url) as client:
        with pytest.raises(kind):
            await client.open_chat(SESSION, "qwen3-max", "t")
        if body != b'{"success": true, "data": {}}':
            with pytest.raises(kind):
                await client.models(SESSION)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", b"SSH-2.0-x\r\n\r\n"])
async def test_a_connection_that_breaks_is_a_lost_connection(answer: bytes) -> None:
    """Before, within, and instead of an answer; the sentence names the site and no header."""
    async with odd(answer, "") as (url, _), client_at(url) as client:
        with pytest.raises(ConnectionLost, match=url) as raised:
            await client.open_chat(SESSION, "qwen3-max", "t")
    assert "sim-" not in raised.value.message


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    """Nothing was sent: the whole turn may be tried again."""
    async with client_at(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(QwenUnreachable):
            await client.open_chat(SESSION, "qwen3-max", "t")


async def test_a_site_that_says_nothing_times_out() -> None:
    """Silence ends in a timeout of its own name."""
    async with odd(b"") as (url, server), client_at(url) as client:
        server.silent = True
        client._http.timeout = httpx.Timeout(0.05)
        with pytest.raises(QwenTimeout):
            await client.open_chat(SESSION, "qwen3-max", "t")


# -- attempts -------------------------------------------------------------------------------------------------------


async def test_the_list_of_models_is_asked_for_again_when_the_network_fails() -> None:
    """Asking changes nothing, so three attempts are made; opening a chat is tried once by whoever calls."""
    async with odd(b"", "") as (url, server), client_at(url) as client:
        with pytest.raises(ConnectionLost):
            await client.models(SESSION)
        assert len(server.heads) == 3
        with pytest.raises(ConnectionLost):
            await client.open_chat(SESSION, "qwen3-max", "t")
        assert len(server.heads) == 4


async def test_a_refusal_is_not_asked_for_again() -> None:
    """A firewall that is asked again stays closed longer."""
    async with odd(b"<html>", "403 Forbidden", "content-type: text/html") as (url, server), client_at(url) as client:
        with pytest.raises(ChallengeRequired):
            await client.models(SESSION)
        assert len(server.heads) == 1


# -- what is sent ---------------------------------------------------------------------------------------------------


async def test_only_the_sessions_own_cookies_are_sent() -> None:
    """A cookie that the site sets does not join them: two sessions in one bridge must not mix."""
    async with odd(b'{"data": []}', "200 OK", "set-cookie: acw=theirs") as (url, server), client_at(url) as client:
        await client.models(SESSION)
        await client.models(Credentials("", "a=1; token=mine", "sim-umid", "Mozilla/5.0"))
    cookies = [line for head in server.heads for line in head.lower().split(b"\r\n") if line.startswith(b"cookie")]
    assert cookies == [b"cookie: token=sim-token", b"cookie: a=1; token=mine"]


async def test_cookies_of_a_good_answer_are_told_and_not_kept() -> None:
    """They are for the session that asked; a refusal's are nobody's."""
    told: list[tuple[Credentials, list[str]]] = []
    lines = ("set-cookie: acw_tc=new; path=/", "set-cookie: x-ap=eu")
    for body, heard in ((b'{"success":true,"data":{"id":"c"}}', 1), (b'{"success":false,"data":{"code":"No"}}', 0)):
        async with odd(body, "200 OK", *lines) as (url, server), client_at(url) as client:
            client.heard = lambda credentials, cookies: told.append((credentials, list(cookies)))
            for _ in range(2):
                with contextlib.suppress(BridgeError):
                    await client.open_chat(SESSION, "qwen3-max", "x")
            assert len(told) == 2 * heard
            assert not list(client._http.cookies.jar)
            assert all(b"acw_tc" not in head for head in server.heads)
        assert told == [(SESSION, ["acw_tc=new; path=/", "x-ap=eu"])] * 2 * heard
        told.clear()


async def test_the_environments_proxies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """They often name this very bridge, which would then ask itself."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with odd(b'{"data": []}') as (url, _), client_at(url) as client:
        assert await client.models(SESSION) == ()


async def test_a_character_that_no_header_can_carry_is_no_exception() -> None:
    """A token that developer tools cut with an ellipsis is refused by the site, like any wrong one."""
    async with odd(b'{"data": []}') as (url, server), client_at(url) as client:
        await client.models(Credentials("abc…xyz", "", "é", "Mozilla/5.0 \udc80"))
    assert b"token=abc?xyz" in server.heads[0]
    assert "é".encode("latin-1") in server.heads[0]
