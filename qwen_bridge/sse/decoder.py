"""Bytes of an event stream to events, however the bytes are cut.

The rules are WHATWG's (HTML, section 9.2.6 "Interpreting an event stream"), read on bytes, with one addition: a limit.
Nothing reconnects here, so `retry` is read over.

What is held between two calls is one unfinished line and the data lines of one unfinished event, each at most
`max_event_bytes`. Every byte is looked at a constant number of times: a chunk is split once, the head of a cut line
waits in a `bytearray` (amortised growth) and is not searched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One dispatched event. `data` holds the data lines joined by LF; `id` is the last one the stream gave."""

    data: bytes
    event: str = "message"
    id: str = ""

    @property
    def text(self) -> str:
        """`data` as UTF-8; what is not UTF-8 becomes U+FFFD, as the standard wants."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class SSEOverflow:
    """A line, or the data of one event, went over `limit` bytes. The last item: all that follows is dropped."""

    limit: int


class _State(Enum):
    START = auto()  # before the first three bytes: they may be a byte order mark, one byte at a time
    READING = auto()
    AFTER_CR = auto()  # the last chunk ended in CR: an LF at the head of the next one belongs to it
    OVER = auto()  # overflowed or closed


class SSEDecoder:
    """Stage from byte chunks to events. Never raises on input; `max_event_bytes` bounds a line and an event's data.

    With `keep_last` an event whose lines are all complete, and only its blank line is missing, is dispatched at the
    end. WHATWG drops it; capture 06 ends so, and its last event is the one that says the answer is finished.
    """

    __slots__ = ("_event", "_id", "_keep_last", "_limit", "_lines", "_partial", "_size", "_state", "_unfinished")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES, *, keep_last: bool = False) -> None:
        self._limit = max_event_bytes
        self._keep_last = keep_last
        self._state = _State.START
        self._partial = bytearray()  # the head of a line whose end has not come
        self._lines: list[bytes] = []  # the data lines of the event being read
        self._size = 0  # bytes in `_lines`, one more for each line end
        self._event = ""
        self._id = ""
        self._unfinished = False

    @property
    def unfinished(self) -> bool:
        """Whether bytes of an event without its closing blank line are held or, after `close`, were dropped."""
        return self._unfinished or bool(self._partial or self._lines)

    def feed(self, chunk: bytes, /) -> Sequence[SSEEvent | SSEOverflow]:
        """Take any number of bytes; return the events they complete."""
        if self._state is not _State.READING:
            chunk = self._opening(chunk)
        if not chunk or self._state is _State.OVER:
            return []
        # bytes.splitlines knows LF, CR and CRLF only (str.splitlines knows eight more).
        lines = chunk.splitlines()
        tail = b"" if chunk.endswith((b"\n", b"\r")) else lines.pop()
        if lines and self._partial:
            lines[0] = bytes(self._partial) + lines[0]
            self._partial.clear()
        ready: list[SSEEvent | SSEOverflow] = []
        for line in lines:
            if not self._line(line, ready):
                return ready
        self._partial += tail
        if len(self._partial) > self._limit:
            ready.append(self._overflow())
        else:
            self._state = _State.AFTER_CR if chunk.endswith(b"\r") else _State.READING
        return ready

    def close(self) -> Sequence[SSEEvent | SSEOverflow]:
        """The stream has ended. What is left of an event is not dispatched, but see the class; `unfinished` tells."""
        ready: list[SSEEvent | SSEOverflow] = []
        if self._keep_last and not self._partial:
            self._dispatch(ready)
        self._unfinished = self.unfinished
        self._drop()
        return ready

    def _opening(self, chunk: bytes) -> bytes:
        """Take away what is no content: a byte order mark at byte 0, an LF whose CR came with the chunk before."""
        match self._state:
            case _State.START:
                head = bytes(self._partial) + chunk
                if len(head) < len(_BOM) and _BOM.startswith(head):
                    self._partial[:] = head
                    return b""
                self._partial.clear()
                self._state = _State.READING
                return head.removeprefix(_BOM)
            case _State.AFTER_CR if chunk:
                self._state = _State.READING
                return chunk.removeprefix(b"\n")
            case _:
                return chunk

    def _line(self, line: bytes, ready: list[SSEEvent | SSEOverflow]) -> bool:
        """Interpret one line; False when it was one too many."""
        if not line:
            self._dispatch(ready)
            return True
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._size += len(value) + 1
            self._lines.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        # An empty name is a comment; `retry` and unknown fields are read over.
        if len(line) <= self._limit and self._size <= self._limit + 1:
            return True
        ready.append(self._overflow())
        return False

    def _dispatch(self, ready: list[SSEEvent | SSEOverflow]) -> None:
        if self._lines:  # an event without a data line is none, whatever its type
            ready.append(SSEEvent(b"\n".join(self._lines), self._event or "message", self._id))
            self._lines = []
            self._size = 0
        self._event = ""

    def _overflow(self) -> SSEOverflow:
        self._drop()
        return SSEOverflow(self._limit)

    def _drop(self) -> None:
        self._state = _State.OVER
        self._partial.clear()
        self._lines = []
