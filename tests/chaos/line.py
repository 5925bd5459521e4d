"""One client's line to a bridge: a request, and what came of it, judged as it comes."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from tests.chaos.reading import Said
from tests.chaos.record import Record
from tests.chaos.service import Service
from tests.conformance.framing import DONE, read_events, strict_json
from tests.conformance.invariants import check_body, check_error, check_head, check_stream

type Way = Literal["base URL", "proxy", "proxy, HTTP/2"]
type End = Literal["answer", "refused", "broken off", "left", "gone"]
"""A whole answer · an HTTP error · a stream that ended with an error event · the client left · the bridge was ended."""

PATH = "/v1/chat/completions"


NOTHING = Said("", ())


@dataclass(frozen=True)
class Outcome:
    """What a client knows after a request. `said` is what of the answer it has; `call_ids` belong to its calls."""

    end: End
    said: Said = NOTHING
    call_ids: tuple[str, ...] = ()
    code: str = ""


class _OnlySecond(ssl.SSLContext):
    """Offers HTTP/2 alone, as a client that prefers it: httpx names HTTP/1.1 first, and gets it."""

    def set_alpn_protocols(self, _names: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


class Line:
    """A connection to a service, made anew whenever the service was started anew."""

    def __init__(self, who: str, service: Service, way: Way, record: Record, deadline: float) -> None:
        self._who = who
        self._service = service
        self._way = way
        self._record = record
        self._deadline = deadline
        self._http: httpx.AsyncClient | None = None
        self._of = -1

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def ask(self, body: dict[str, Any], leave_after: int | None = None) -> Outcome:
        """One request; with `leave_after` the client hangs up after so many bytes of the answer."""
        await self._service.up()
        http = await self._client()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                return await self._asked(http, body, leave_after)
        except TimeoutError:
            self._record.complain("no end", f"{self._who}: nothing for {self._deadline:g} seconds, {body['stream']=}")
            return Outcome("gone")
        except httpx.TransportError as error:
            await self.close()
            await asyncio.sleep(0.2)  # the news of an end may be slower than the end
            if not self._service.ended_since(began):
                self._record.complain("a connection that breaks", f"{self._who} by {self._way}: {error!r}")
            self._record.counts["cut by the bridge's end"] += 1
            return Outcome("gone")
        finally:
            self._record.waits.append(time.monotonic() - began)

    async def _client(self) -> httpx.AsyncClient:
        if self._http is None or self._of != self._service.lives:
            await self.close()
            self._of = self._service.lives
            headers = {"authorization": f"Bearer sk-{self._who}"}
            if self._way == "base URL":
                self._http = httpx.AsyncClient(
                    base_url=self._service.url, trust_env=False, timeout=None, headers=headers, verify=False
                )
            else:
                second = self._way == "proxy, HTTP/2"
                trust = (_OnlySecond if second else ssl.SSLContext)(ssl.PROTOCOL_TLS_CLIENT)
                trust.load_verify_locations(cafile=str(self._service.authority))
                self._http = httpx.AsyncClient(
                    base_url="https://api.openai.com",
                    proxy=self._service.url,
                    verify=trust,
                    trust_env=False,
                    timeout=None,
                    headers=headers,
                    http2=second,
                )
        return self._http

    async def _asked(self, http: httpx.AsyncClient, body: dict[str, Any], leave_after: int | None) -> Outcome:
        raw = bytearray()
        began = time.monotonic()
        async with http.stream("POST", PATH, json=body) as answer:
            try:
                async for piece in answer.aiter_raw():
                    raw += piece
                    if leave_after is not None and len(raw) >= leave_after:
                        self._record.counts["left in mid-answer"] += 1
                        return Outcome("left", Said(self._text(bytes(raw)), ()))
            except httpx.TransportError as error:
                self._half(bytes(raw))
                if not self._service.killed_since(began):
                    self._record.complain("a stream cut without a kill", f"{self._who} by {self._way}: {error!r}")
                raise
        return self._judged(answer, bytes(raw), body, began)

    def _judged(self, answer: httpx.Response, raw: bytes, body: dict[str, Any], began: float) -> Outcome:
        headers, tools = dict(answer.headers), tuple(tool["function"]["name"] for tool in body.get("tools", ()))
        if answer.status_code != 200:
            self._all_well(check_error(answer.status_code, headers, raw), raw)
            code = str(strict_json(raw.decode())["error"]["code"])
            self._record.counts[f"refused: {answer.status_code} {code}"] += 1
            return Outcome("refused", code=code)
        self._all_well(check_head(200, headers, stream=body["stream"]), raw)
        self._record.counts["conversation: " + headers["x-qwen-bridge-conversation"].split(" saved")[0].split()[0]] += 1
        if not body["stream"]:
            value = strict_json(raw.decode())
            self._all_well(check_body(value, tools=tools), raw)
            message = value["choices"][0]["message"]
            return self._answered(message.get("content"), message.get("tool_calls") or [])
        failed = not raw.endswith(b"data: [DONE]\n\n")
        if failed and self._service.killed_since(began) and b'data: {"error"' not in raw:
            self._record.counts["cut by the bridge's end"] += 1
            return Outcome("gone", Said(self._text(raw), ()))
        usage = "stream_options" in body
        self._all_well(check_stream(raw, include_usage=usage, tools=tools, expect_error=failed), raw)
        if failed:
            self._half(raw)
            code = str(read_events(raw)[0][-1]["error"]["code"])
            self._record.counts[f"broken off: {code}"] += 1
            return Outcome("broken off", Said(self._text(raw), ()), code=code)
        calls = self._calls(raw)
        return self._answered(self._text(raw), calls)

    def _answered(self, text: str | None, calls: list[dict[str, Any]]) -> Outcome:
        made = tuple((call["function"]["name"], call["function"]["arguments"]) for call in calls)
        return Outcome("answer", Said(text or "", made), tuple(call["id"] for call in calls))

    def _all_well(self, found: list[str], raw: bytes) -> None:
        for fault in found:
            self._record.complain("an illegal answer", f"{self._who}: {fault} in {raw[-400:]!r}")

    def _half(self, raw: bytes) -> None:
        """In a stream that fails, a call is whole or not there: some clients run what they have."""
        for call in self._calls(raw):
            try:
                strict_json(call["function"]["arguments"])
            except ValueError:
                self._record.complain("half a call shown", f"{self._who}: {call}")

    @staticmethod
    def _deltas(raw: bytes) -> list[dict[str, Any]]:
        whole = raw[: raw.rfind(b"\n\n") + 2]
        chunks = [event for event in read_events(whole)[0] if event is not DONE and "choices" in event]
        return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]

    def _text(self, raw: bytes) -> str:
        return "".join(delta.get("content") or "" for delta in self._deltas(raw))

    def _calls(self, raw: bytes) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        for part in (part for delta in self._deltas(raw) for part in delta.get("tool_calls", ())):
            if part["index"] == len(calls):
                calls.append({"id": part["id"], "function": {"name": part["function"]["name"], "arguments": ""}})
            calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
        return calls
