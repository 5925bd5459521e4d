"""A bounded copy of what went to the client, for people who look at the flow in mitmweb.

mitmproxy keeps no body that was streamed, and its option to do so keeps all of it. This copy keeps the beginning and
says where it stops; nothing is computed from it.
"""

from __future__ import annotations

LIMIT = 256 * 1024
"""Bytes kept of one answer. A long answer as OpenAI chunks is about a hundred times its text."""


class Capture:
    """The first `LIMIT` bytes of a stream. `add` costs one comparison and one append."""

    __slots__ = ("_chunks", "_room")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._room = LIMIT

    def add(self, chunk: bytes) -> None:
        if self._room >= 0:  # a full copy takes one chunk more, to know that it is not everything
            self._chunks.append(chunk)
            self._room -= len(chunk)

    @property
    def content(self) -> bytes:
        """What was kept; a line says so when it is not everything."""
        whole = b"".join(self._chunks)
        return whole if self._room >= 0 else whole[:LIMIT] + b"\n: (the rest was not kept)\n"
