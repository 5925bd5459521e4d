"""openai-python, unchanged, on each way in; and a conversation held with it as a client holds one."""

from __future__ import annotations

import ssl
from typing import Any

import httpx2
from openai import AsyncOpenAI

from tests.harness.proxy import Proxy


def sdk(proxy: Proxy, *, through: bool = False) -> AsyncOpenAI:
    """The SDK at the base URL, or at OpenAI's own address through the proxy, trusting the proxy's CA."""
    if not through:
        http = httpx2.AsyncClient(trust_env=False, timeout=60)
        return AsyncOpenAI(base_url=proxy.base_url, api_key="sk-test", max_retries=0, http_client=http)
    trust = ssl.create_default_context(cafile=str(proxy.authority))
    http = httpx2.AsyncClient(proxy=proxy.url, verify=trust, trust_env=False, timeout=60)
    return AsyncOpenAI(api_key="sk-test", max_retries=0, http_client=http)


class Conversation:
    """A client's history, sent whole at every turn."""

    def __init__(self, client: AsyncOpenAI, system: str | None = None, model: str = "gpt-4o") -> None:
        self.history: list[Any] = [{"role": "system", "content": system}] if system else []
        self._client = client
        self._model = model

    async def say(self, words: str, *, stream: bool = True) -> str:
        """One turn; returns the answer's text."""
        self.history.append({"role": "user", "content": words})
        text = await (self._streamed() if stream else self._whole())
        self.history.append({"role": "assistant", "content": text})
        return text

    async def _streamed(self) -> str:
        answer = await self._client.chat.completions.create(
            model=self._model, messages=self.history, stream=True, stream_options={"include_usage": True}
        )
        return "".join([choice.delta.content or "" async for chunk in answer for choice in chunk.choices])

    async def _whole(self) -> str:
        answer = await self._client.chat.completions.create(model=self._model, messages=self.history)
        return answer.choices[0].message.content or ""
