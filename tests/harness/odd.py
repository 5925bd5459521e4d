"""A server that is not Qwen: one answer for everybody, or none."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Odd:
    """Sends `answer` to everybody, byte for byte, and hangs up; `silent` sends nothing. `heads` is what it was sent."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            if self.silent:
                await reader.read()
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def odd(body: bytes, status: str = "200 OK", *headers: str) -> AsyncIterator[tuple[str, Odd]]:
    """A server whose every answer is this; an empty status means none at all."""
    fields = "".join(f"{header}\r\n" for header in headers)
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{fields}\r\n".encode()
    server = Odd(head + body if status else body)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", server
    finally:
        listening.close()
