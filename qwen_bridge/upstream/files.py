"""One document on its way to Qwen: a grant, the bytes to the object store, and a wait until Qwen has read them.

The object store is another host than Qwen. It has a pool of its own, which knows no cookie, no token and no browser
header; what it is sent is signed with the issued key (`qwen.files`).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from qwen_bridge.errors import (
    BridgeError,
    ChatBusy,
    ChatGone,
    ConnectionLost,
    ParentRefused,
    QwenRefused,
    QwenTimeout,
    QwenUnreachable,
)
from qwen_bridge.ports import Clock, IdSource
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.files import (
    PARSE_PATH,
    PARSE_STATUS_PATH,
    STS_PATH,
    Put,
    TextFile,
    check_parse_started,
    document,
    grant_of,
    is_parsed,
    parse_request,
    parse_status_request,
    put_refusal,
    put_request,
    sts_request,
)
from qwen_bridge.upstream.client import Answer

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds for one step of one transfer; the whole upload has its own deadline."""


class QwenCall(Protocol):
    """A plain JSON call to Qwen in the user's session, as `QwenClient` makes them; raises `BridgeError`."""

    async def __call__(
        self, credentials: Credentials, method: str, path: str, body: bytes | None = None, /
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a document may take until Qwen has read it, and the pause between two looks; in seconds."""

    deadline: float = 60.0
    interval: float = 0.5


def store_pool(tls: ssl.SSLContext | bool = True, proxy: str | None = None) -> httpx.AsyncClient:
    """Connections to the object store: `tls` is what its certificate is verified with, `proxy` the way there."""
    return httpx.AsyncClient(verify=tls, timeout=TIMEOUT, trust_env=False, proxy=proxy)


class DocumentUploader:
    """Uploads documents for any session. Close it with `aclose`.

    `call` reaches Qwen, `store` (see `store_pool`) the object store, `sleep` waits for a number of seconds.
    """

    def __init__(
        self,
        call: QwenCall,
        clock: Clock,
        ids: IdSource,
        store: httpx.AsyncClient,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._call = call
        self._clock = clock
        self._ids = ids
        self._sleep = sleep
        self._store = store

    async def upload(self, credentials: Credentials, file: TextFile, patience: Patience) -> dict[str, Any]:
        """Upload `file` and wait until Qwen has read it; return its element of a message's `files`.

        The element's address expires five minutes after the call: use it at once. Raises a `BridgeError`: what Qwen or
        its store says (`QwenRefused` where it has no name of its own, never an error about a chat), a `WireError` for
        the network, `QwenTimeout` after the deadline.
        """
        try:
            async with asyncio.timeout(patience.deadline):
                return await self._upload(credentials, file, patience.interval)
        except (ChatGone, ParentRefused, ChatBusy):
            # A "not found" here is about the file or the path. Told as a chat's, it would kill a living conversation.
            raise QwenRefused("Qwen did not find what an upload needs. Ask again, or send less at once.") from None
        except TimeoutError:
            raise QwenTimeout(
                f"Qwen did not read a document of {len(file.data):,} bytes within {patience.deadline:g} seconds. Ask "
                "again, or send less at once."
            ) from None

    async def aclose(self) -> None:
        await self._store.aclose()

    async def _upload(self, credentials: Credentials, file: TextFile, interval: float) -> dict[str, Any]:
        grant = grant_of(*await self._call(credentials, "POST", STS_PATH, sts_request(file)))
        await self._put(put_request(grant, self._clock.now()), file.data)
        check_parse_started(*await self._call(credentials, "POST", PARSE_PATH, parse_request(grant.file_id)))
        question = parse_status_request(grant.file_id)
        while not is_parsed(grant.file_id, *await self._call(credentials, "POST", PARSE_STATUS_PATH, question)):
            await self._sleep(interval)
        return document(grant, file, now=self._clock.now(), item_id=self._ids.uuid(), task_id=self._ids.uuid())

    async def _put(self, put: Put, data: bytes) -> None:
        try:
            answer = await self._store.put(put.url, content=data, headers=put.headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _store_error(error, put.host) from error
        if answer.status_code != 200:
            raise put_refusal(answer.status_code, answer.content)


def _store_error(error: httpx.HTTPError | httpx.InvalidURL, host: str) -> BridgeError:
    kind = type(error).__name__
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.InvalidURL():
            return QwenUnreachable(
                f"Qwen's file store {host} cannot be reached ({kind}). Long messages travel through it: let your "
                "network allow it, or send less at once."
            )
        case httpx.TimeoutException():
            return QwenTimeout(f"Qwen's file store {host} did not take the upload in time. Try again.")
    return ConnectionLost(f"The upload to Qwen's file store {host} broke ({kind}). Try again.")
