"""A document on its way to the simulated Qwen and its store, and everything that can stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from qwen_bridge.errors import (
    BridgeError,
    ChallengeRequired,
    ConnectionLost,
    ExpiredCredentials,
    QwenRefused,
    QwenTimeout,
    QwenUnreachable,
)
from qwen_bridge.qwen.credentials import Credentials, request_headers
from qwen_bridge.qwen.files import PARSE_PATH, PARSE_STATUS_PATH, STS_PATH, TextFile
from qwen_bridge.qwen.payload import Turn, completion, completions_path
from qwen_bridge.simulator.completions import Outcome
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.upstream import files as upstream_files
from qwen_bridge.upstream.client import Answer, QwenClient
from qwen_bridge.upstream.files import DocumentUploader, Patience, QwenCall, store_pool
from tests.harness.odd import odd
from tests.harness.ports import CountedIds, FixedClock
from tests.harness.sockets import free_port

SESSION = Credentials(
    "sim-token", "cna=secret-cookie", "sim-umid", "Mozilla/5.0 (X11; Linux x86_64)", (("bx-ua", "231!secret"),)
)
FILE = TextFile.of("conversation.txt", "Grüße, 漢字 und 😀\n" * 9)
PATIENCE = Patience(deadline=30, interval=0)


class Watched(Simulator):
    """A simulator that keeps what it was asked."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.requests: list[Request] = []

    def respond(self, request: Request) -> Outcome:
        self.requests.append(request)
        return super().respond(request)

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(request.method, request.path) for request in self.requests]


@contextlib.asynccontextmanager
async def uploader_at(
    url: str, tls: ssl.SSLContext | bool = True, through: Callable[[QwenCall], QwenCall] = lambda call: call
) -> AsyncIterator[DocumentUploader]:
    """An uploader with the real client; `through` may change what Qwen says."""
    client = QwenClient(url, FixedClock(), CountedIds(), tls)
    uploader = DocumentUploader(through(client.call), FixedClock(), CountedIds(), store_pool(tls))
    try:
        yield uploader
    finally:
        await uploader.aclose()
        await client.aclose()


def changing(path: str, **changed: Any) -> Callable[[QwenCall], QwenCall]:
    """Qwen as it is, but for these fields in the data of one answer."""
    return editing(path, lambda data: [data[0] | changed] if isinstance(data, list) else data | changed)


def editing(path: str, edit: Callable[[Any], Any]) -> Callable[[QwenCall], QwenCall]:
    """Qwen as it is, but for the data of one answer."""

    def through(call: QwenCall) -> QwenCall:
        async def changed_call(
            credentials: Credentials, method: str, asked: str, body: bytes | None = None, /
        ) -> Answer:
            answer, status, headers = await call(credentials, method, asked, body)
            if asked == path:
                value = json.loads(answer)
                value["data"] = edit(value["data"])
                answer = json.dumps(value).encode()
            return answer, status, headers

        return changed_call

    return through


# -- what works -----------------------------------------------------------------------------------------------------


async def test_the_model_reads_an_uploaded_document() -> None:
    """The element hangs on a message, and what the model gets is the document's text, byte for byte."""
    async with Simulator() as simulator, uploader_at(simulator.url) as uploader:
        element = await uploader.upload(SESSION, FILE, PATIENCE)
        client = QwenClient(simulator.url, FixedClock(), CountedIds())
        chat_id = await client.open_chat(SESSION, "qwen3-max", "A title")
        turn = Turn(chat_id, None, "qwen3-max", "Hi", False, "m", "a", 1_800_000_000, (element,))
        headers = request_headers(SESSION, origin=simulator.url, referer_chat_id=chat_id, request_id="r")
        async with httpx.AsyncClient(base_url=simulator.url, headers=headers, trust_env=False) as browser:
            answer = await browser.post(completions_path(chat_id), content=completion(turn))
        await client.aclose()
    assert answer.headers["content-type"].startswith("text/event-stream")
    (read,) = simulator.ledger.turns[0].files
    assert (read["id"], read["name"], read["text"]) == (element["id"], FILE.name, FILE.data.decode())


async def test_the_four_steps_and_the_wait() -> None:
    """A grant, the bytes, the parse, and its state until that is success."""
    async with Watched() as simulator, uploader_at(simulator.url) as uploader:
        element = await uploader.upload(SESSION, FILE, PATIENCE)
    methods_and_paths = simulator.asked
    assert methods_and_paths[0] == ("POST", STS_PATH)
    assert methods_and_paths[1][0] == "PUT"
    assert methods_and_paths[2:] == [("POST", PARSE_PATH), ("POST", PARSE_STATUS_PATH), ("POST", PARSE_STATUS_PATH)]
    assert element["size"] == len(FILE.data)


async def test_the_pause_between_two_looks_is_the_given_one() -> None:
    """Qwen is not asked without end in a hurry."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with Simulator() as simulator:
        client = QwenClient(simulator.url, FixedClock(), CountedIds())
        uploader = DocumentUploader(client.call, FixedClock(), CountedIds(), store_pool(), sleep)
        await uploader.upload(SESSION, FILE, Patience(interval=0.75))
        await uploader.aclose()
        await client.aclose()
    assert pauses == [0.75]


async def test_over_tls() -> None:
    """The store's certificate is verified with what was given for it, and refused without."""
    async with Simulator(tls=True) as simulator:
        trusted = ssl.create_default_context(cafile=simulator.ca_path)
        async with uploader_at(simulator.url, trusted) as uploader:
            assert (await uploader.upload(SESSION, FILE, PATIENCE))["url"].startswith("https:")
            async with uploader_at(simulator.url, True, lambda _: uploader._call) as distrustful:
                with pytest.raises(QwenUnreachable, match="store"):
                    await distrustful.upload(SESSION, FILE, PATIENCE)


# -- what may not leak ----------------------------------------------------------------------------------------------


async def test_the_store_gets_nothing_of_the_session() -> None:
    """No cookie, token, umid or browser header goes to the store, also in a second upload."""
    async with Watched() as simulator, uploader_at(simulator.url) as uploader:
        for _ in range(2):
            await uploader.upload(SESSION, FILE, PATIENCE)
    puts = [request for request in simulator.requests if request.method == "PUT"]
    assert len(puts) == 2
    for put in puts:
        assert "cookie" not in put.headers
        told = " ".join(put.headers.values())
        assert not [word for word in ("sim-token", "secret-cookie", "sim-umid", "231!secret") if word in told]


async def test_nothing_is_put_to_a_plain_address() -> None:
    """An address without TLS on another machine is refused before a byte leaves."""
    change = changing(STS_PATH, file_url="http://store.example/a.txt?b")
    async with Watched() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenRefused, match="https"):
            await uploader.upload(SESSION, FILE, PATIENCE)
    assert simulator.asked == [("POST", STS_PATH)]


async def test_a_redirect_of_the_store_is_not_followed() -> None:
    """The bytes go where Qwen said, or nowhere."""
    async with odd(b"", "307 Temporary Redirect", "location: http://127.0.0.1:9/elsewhere") as (url, _):
        change = changing(STS_PATH, file_url=f"{url}/a.txt?b")
        async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
            with pytest.raises(QwenRefused, match="status 307"):
                await uploader.upload(SESSION, FILE, PATIENCE)


# -- what goes wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "error"),
    [
        (Credentials("other", "", "sim-umid", SESSION.user_agent), ExpiredCredentials),
        (Credentials("sim-token", "", "other", SESSION.user_agent), ChallengeRequired),
    ],
)
async def test_a_refused_session_is_told_as_such(session: Credentials, error: type[BridgeError]) -> None:
    """What stands against the session keeps its own error: it is no fault of the document."""
    async with Simulator() as simulator, uploader_at(simulator.url) as uploader:
        with pytest.raises(error):
            await uploader.upload(session, FILE, PATIENCE)


async def test_a_store_that_refuses_the_key() -> None:
    """The store's code is told, its XML is not."""
    change = changing(STS_PATH, access_key_secret="wrong")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenRefused, match=r"status 403, SignatureDoesNotMatch\)") as caught:
            await uploader.upload(SESSION, FILE, PATIENCE)
    assert "<" not in caught.value.message


async def test_a_document_that_qwen_does_not_know() -> None:
    """A parse of what was not uploaded is refused in Qwen's words."""
    change = changing(STS_PATH, file_id="other")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenRefused):
            await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_path_that_is_gone_is_no_chat_that_is_gone() -> None:
    """Not found, for an upload, says nothing about any chat: no conversation may be given up for it."""
    refusal = (b'{"detail":"Not Found"}', "404 Not Found", "content-type: application/json")
    async with odd(*refusal) as (url, _), uploader_at(url) as uploader:
        with pytest.raises(QwenRefused, match="did not find"):
            await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_parse_that_does_not_begin() -> None:
    """There is nothing to wait for when Qwen will not read."""
    change = editing(PARSE_PATH, lambda _: False)
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenRefused, match="would not read"):
            await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_document_that_qwen_cannot_read() -> None:
    """A failed parse ends the wait."""
    change = changing(PARSE_STATUS_PATH, status="failed")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenRefused, match="could not read"):
            await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_parse_without_end_has_a_deadline() -> None:
    """What never becomes ready becomes a timeout that names size and seconds."""
    change = changing(PARSE_STATUS_PATH, status="processing")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenTimeout, match=rf"{len(FILE.data)} bytes within 0\.05 seconds"):
            await uploader.upload(SESSION, FILE, Patience(deadline=0.05, interval=0.01))


async def test_a_silent_store_is_within_the_deadline() -> None:
    """The deadline holds for the whole upload, not only for the parse."""
    async with odd(b"") as (url, server):
        server.silent = True
        change = changing(STS_PATH, file_url=f"{url}/a.txt?b")
        async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
            with pytest.raises(QwenTimeout):
                await uploader.upload(SESSION, FILE, Patience(deadline=0.2))


async def test_a_client_that_leaves_ends_the_upload() -> None:
    """Cancelling is no timeout: it goes through as it is."""
    change = changing(PARSE_STATUS_PATH, status="processing")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        task = asyncio.create_task(uploader.upload(SESSION, FILE, Patience(deadline=60, interval=0.01)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_store_that_cannot_be_reached() -> None:
    """The store is named, since a network may know Qwen and not its store."""
    change = changing(STS_PATH, file_url=f"http://127.0.0.1:{free_port()}/a.txt?b")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenUnreachable, match=r"store 127\.0\.0\.1"):
            await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_store_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of the transfer has a limit of its own."""
    monkeypatch.setattr(upstream_files, "TIMEOUT", httpx.Timeout(0.05))
    async with odd(b"") as (url, server):
        server.silent = True
        change = changing(STS_PATH, file_url=f"{url}/a.txt?b")
        async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
            with pytest.raises(QwenTimeout, match="store"):
                await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_store_that_hangs_up() -> None:
    """A connection that breaks during the upload is told as that."""
    async with odd(b"", "") as (url, _):
        change = changing(STS_PATH, file_url=f"{url}/a.txt?b")
        async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
            with pytest.raises(ConnectionLost, match="store"):
                await uploader.upload(SESSION, FILE, PATIENCE)


async def test_a_store_with_an_impossible_name() -> None:
    """An address that no client can use is an error of the bridge's, not an exception of the library's."""
    change = changing(STS_PATH, file_url="https://sto\x00re.example/a.txt?b")
    async with Simulator() as simulator, uploader_at(simulator.url, True, change) as uploader:
        with pytest.raises(QwenUnreachable, match="store"):
            await uploader.upload(SESSION, FILE, PATIENCE)
