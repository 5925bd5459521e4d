"""The load of a bench, as a process of its own: many streams at once, each event's delay, the proxy's processor time.

`python -m tests.bench.load` reads a `Job` as JSON from standard input and writes a `Sample`. It must be much cheaper
than what it measures: one plain protocol per stream, one search per read, no HTTP library. It still notices a piece
that is missing, doubled or out of order, and a `Sample` exists only when every stream came whole.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from array import array
from dataclasses import asdict, dataclass, field

from tests.bench.figures import percentile
from tests.bench.processor import processor_seconds
from tests.bench.response import ChunkedResponse

_PIECE = re.compile(rb"#(\d{6})|@(\d{8}\.\d{6})")
_LONGEST_PIECE = 16
_PATIENCE = 60.0  # seconds above what the streams need by themselves


@dataclass(frozen=True)
class Job:
    """What to do. `requests` are whole HTTP/1.1 requests, one stream each, sent `ramp` seconds apart.

    Every answer has `pieces` pieces of a `speech`, `pace` a second (None: as fast as possible). `pid` is the process
    whose processor time counts, None without one.
    """

    port: int
    tls: bool
    requests: list[str]
    pieces: int
    pace: float | None
    ramp: float
    pid: int | None


@dataclass(frozen=True)
class Sample:
    """What came of it, in a window of `seconds`; `processor` is in seconds, too.

    Paced, the window is the time in which all streams ran side by side: from the last one's first piece to the first
    one's last. Without a pace it is everything, the requests included. `late_…` are percentiles of the delays of the
    pieces in the window, in seconds after each was due; `first` is the median time from a request to its first piece,
    less the time after which the upstream says it.
    """

    events: int
    seconds: float
    processor: float | None
    late_50: float
    late_99: float
    first: float


class LoadError(Exception):
    """The load did not come through whole, so there is nothing to measure."""


@dataclass
class _Watch:
    """What all streams have in common: the window, the pieces in it, and who is over."""

    job: Job
    over: asyncio.Event
    arrived: array[float] = field(default_factory=lambda: array("d"))
    late: array[float] = field(default_factory=lambda: array("d"))
    first: list[float] = field(default_factory=list)
    opened: tuple[float, float] | None = None
    closed: tuple[float, float] | None = None
    ended: int = 0
    fault: str = ""

    def mark(self) -> tuple[float, float]:
        """Now, and the processor time so far."""
        return time.monotonic(), 0.0 if self.job.pid is None else processor_seconds(self.job.pid)

    def begun(self, waited: float) -> None:
        """A stream has its first piece."""
        self.first.append(waited)
        if self.job.pace is not None and len(self.first) == len(self.job.requests):
            self.opened = self.mark()

    def complete(self) -> None:
        """A stream has all its pieces."""
        if self.job.pace is not None and self.closed is None:
            self.closed = self.mark()

    def end(self) -> None:
        """A stream has come to its end."""
        self.ended += 1
        if self.ended == len(self.job.requests):
            if self.job.pace is None:
                self.closed = self.mark()
            self.over.set()

    def fail(self, fault: str) -> None:
        self.fault = self.fault or fault
        self.over.set()


class _Stream(asyncio.Protocol):
    """One request and its answer."""

    def __init__(self, watch: _Watch, request: bytes) -> None:
        self._watch = watch
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self._due = 0.0  # of the first piece
        self._next = 0
        self._response = ChunkedResponse()
        self._held = b""  # the end of what was read: a piece may be cut
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sent = time.monotonic()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        content = self._held + self._response.feed(data)
        if self._response.status and not (self._response.status == 200 and self._response.chunked):
            self._fail(content)
            return
        read = 0
        for found in _PIECE.finditer(content):
            read = found.end()
            if not self._take(found, now):
                self._fail(content)
                return
        self._held = content[max(read, len(content) - _LONGEST_PIECE) :]
        if self._response.over:
            self._end(content)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self._end(self._held)

    def _take(self, found: re.Match[bytes], now: float) -> bool:
        """Count a piece; False when it is not the next one."""
        watch = self._watch
        number, due = found.groups()
        if due is not None:
            self._due = float(due)
            pace = watch.job.pace
            watch.begun(now - self._sent - (1 / pace if pace else 0.0))
        if (0 if number is None else int(number)) != self._next:
            return False
        if watch.job.pace is not None:
            watch.arrived.append(now)
            watch.late.append(now - self._due - self._next / watch.job.pace)
        self._next += 1
        if self._next == watch.job.pieces:
            watch.complete()
        return True

    def _end(self, content: bytes) -> None:
        if not self._response.over or self._next != self._watch.job.pieces:
            self._fail(content)
            return
        self._over = True
        self._watch.end()
        if self._transport is not None:
            self._transport.close()

    def _fail(self, content: bytes) -> None:
        self._over = True
        self._watch.fail(f"a stream broke after {self._next} of {self._watch.job.pieces} pieces: {content[-600:]!r}")


async def carry_out(job: Job) -> Sample:
    """Do the job. Raises `LoadError` with what came instead."""
    watch = _Watch(job, asyncio.Event())
    needed = len(job.requests) * job.ramp + (job.pieces / job.pace if job.pace else 0.0) + _PATIENCE
    try:
        async with asyncio.timeout(needed):
            if job.pace is None:
                watch.opened = watch.mark()
            tls = _trusting() if job.tls else None
            await asyncio.gather(*(_connect(watch, tls, number) for number in range(len(job.requests))))
            await watch.over.wait()
    except TimeoutError:
        watch.fail(f"{watch.ended} of {len(job.requests)} streams ended within {needed:.0f} seconds")
    if watch.fault:
        raise LoadError(watch.fault)
    return _sample(watch)


async def _connect(watch: _Watch, tls: ssl.SSLContext | None, number: int) -> None:
    # Apart from each other, as people are: sent together they would all be due in the same millisecond for ever.
    await asyncio.sleep(number * watch.job.ramp)
    request = watch.job.requests[number].encode()
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: _Stream(watch, request), "127.0.0.1", watch.job.port, ssl=tls)


def _trusting() -> ssl.SSLContext:
    """The simulator's certificate is made anew each time, and nobody stands between."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _sample(watch: _Watch) -> Sample:
    opened, closed = watch.opened, watch.closed
    if opened is None or closed is None or closed <= opened:
        raise LoadError("a stream was over before the last one began: the machine is too busy, or --seconds too short")
    streams, job = len(watch.job.requests), watch.job
    if job.pace is None:
        events, late = streams * job.pieces, [0.0]
    else:
        pairs = zip(watch.arrived, watch.late, strict=True)
        late = sorted(delay for arrived, delay in pairs if opened[0] < arrived <= closed[0])
        events = len(late)
    return Sample(
        events=events,
        seconds=closed[0] - opened[0],
        processor=None if job.pid is None else closed[1] - opened[1],
        late_50=percentile(late, 50),
        late_99=percentile(late, 99),
        first=percentile(sorted(watch.first), 50),
    )


def main() -> None:
    job = Job(**json.load(sys.stdin))
    try:
        sample = asyncio.run(carry_out(job))
    except LoadError as error:
        sys.exit(str(error))
    json.dump(asdict(sample), sys.stdout)


if __name__ == "__main__":
    main()
