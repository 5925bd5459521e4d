"""The calls to Qwen that are not an answer's stream.

httpx is named in the brief; its continuation httpx2 has the same interface, and this file is the only one to change.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from http.cookiejar import DefaultCookiePolicy

import httpx
import stamina

from qwen_bridge.errors import BridgeError, ConnectionLost, QwenTimeout, QwenUnreachable, WireError
from qwen_bridge.ports import Clock, IdSource
from qwen_bridge.qwen.answers import QwenModel, chat_id_of, models_of, running_of
from qwen_bridge.qwen.credentials import Credentials, request_headers
from qwen_bridge.qwen.faults import classify
from qwen_bridge.qwen.payload import (
    DELETE_CHATS_PATH,
    MODELS_PATH,
    NEW_CHAT_PATH,
    chat_path,
    delete_chats,
    new_chat,
    stop,
    stop_path,
)
from qwen_bridge.qwen.refusal import read_answer

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""Seconds. These calls answer within one or two; the long waits are those of the stream."""

type Answer = tuple[bytes, int, list[tuple[str, str]]]
"""Body, status, headers, as `qwen.answers` takes them: a refusal under 200 may have its real status in a header."""


class QwenClient:
    """One pool of connections to `origin` (scheme, host, port), by `proxy` if given. Close it with `aclose`.

    Every method raises a `BridgeError` that says what to do: `WireError`s for the network, what `qwen.faults` makes of
    the answer for the rest.
    """

    def __init__(
        self, origin: str, clock: Clock, ids: IdSource, tls: ssl.SSLContext | bool = True, proxy: str | None = None
    ) -> None:
        self._origin = origin
        self._clock = clock
        self._ids = ids
        self._http = httpx.AsyncClient(base_url=origin, verify=tls, timeout=TIMEOUT, trust_env=False, proxy=proxy)
        # One pool serves several accounts: what Qwen sets for one is not to be kept here, and sent with another's.
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self.heard: Callable[[Credentials, Sequence[str]], object] = lambda _credentials, _set_cookies: None
        """Told of the `Set-Cookie` lines of every good answer."""

    async def open_chat(self, credentials: Credentials, model: str, title: str) -> str:
        """Open a chat and return its id."""
        body = new_chat(model, title, int(self._clock.now() * 1000))
        return chat_id_of(*await self.call(credentials, "POST", NEW_CHAT_PATH, body))

    async def models(self, credentials: Credentials) -> tuple[QwenModel, ...]:
        """The models of this account. Asked again when the network fails: it is the one call that changes nothing."""
        async for attempt in stamina.retry_context(on=WireError, attempts=3, wait_initial=0.2, wait_max=1.0):
            with attempt:
                answer = await self.call(credentials, "GET", MODELS_PATH)
        return models_of(*answer)

    async def stop(self, credentials: Credentials, chat_id: str, response_id: str) -> None:
        """End a running answer, so that the chat is free again."""
        body, status, headers = await self.call(credentials, "POST", stop_path(chat_id), stop(chat_id, response_id))
        if read_answer(status, headers, body).success is not True:
            raise classify(status, headers, body)

    async def running(self, credentials: Credentials, chat_id: str) -> str:
        """The id of the answer that is being written in a chat, empty when there is none."""
        return running_of(*await self.call(credentials, "GET", chat_path(chat_id)))

    async def delete_chats(self, credentials: Credentials, chat_ids: Sequence[str]) -> None:
        """Delete chats of this account; those that are gone already are no error."""
        body, status, headers = await self.call(credentials, "POST", DELETE_CHATS_PATH, delete_chats(chat_ids))
        if read_answer(status, headers, body).success is not True:
            raise classify(status, headers, body)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def call(self, credentials: Credentials, method: str, path: str, body: bytes | None = None, /) -> Answer:
        """One JSON call to Qwen in the user's session; its answer, whose status is 200. Raises `BridgeError`."""
        headers = request_headers(credentials, origin=self._origin, referer_chat_id=None, request_id=self._ids.uuid())
        # As the proxy writes them: a character that no header may carry must not end in an exception.
        encoded = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers]
        try:
            response = await self._http.request(method, path, content=body, headers=encoded)
        except httpx.HTTPError as error:
            raise _wire_error(error, self._origin) from error
        answer = (response.content, response.status_code, list(response.headers.items()))
        if response.status_code != 200:
            raise classify(response.status_code, answer[2], response.content)
        set_cookies = response.headers.get_list("set-cookie")
        if set_cookies and read_answer(200, answer[2], response.content).success is True:
            self.heard(credentials, set_cookies)
        return answer


def _wire_error(error: httpx.HTTPError, origin: str) -> BridgeError:
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.ProxyError():
            return QwenUnreachable(f"{origin} cannot be reached ({type(error).__name__}). Check your network.")
        case httpx.TimeoutException():
            return QwenTimeout(f"{origin} did not answer in time. Try again.")
    return ConnectionLost(f"The connection to {origin} broke ({type(error).__name__}). Try again.")
