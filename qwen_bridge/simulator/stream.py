"""One answer on its way: the generation's frames, at its pace, to a wire that may be gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from qwen_bridge.simulator import frames
from qwen_bridge.simulator.delivery import Delivery, Ending
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.generation import Generation, State


class Wire(Protocol):
    """Where an answer is written to."""

    def open_stream(self, delivery: Delivery) -> None:
        """Send the status line and the headers."""

    def send(self, pieces: Sequence[bytes]) -> None:
        """Send each piece as one HTTP chunk."""

    def end_stream(self) -> None:
        """Send the last chunk; the connection may take another request."""

    def break_off(self, ending: Ending) -> None:
        """End the connection without an end of the body."""


class Stream:
    """Carries a generation out with one timer.

    The timer is the model's pace, not the client's: when the client leaves, the generation goes on and its chat stays
    busy. Frames that have become due while the loop was late go out together.
    """

    __slots__ = ("__weakref__", "_generation", "_hurried", "_loop", "_sent", "_started", "_timer", "_wire")

    def __init__(self, generation: Generation, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self._generation = generation
        self._wire: Wire | None = wire
        self._loop = loop
        self._sent = 0
        self._hurried = False
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        generation.when_stopped = self._stopped

    def start(self) -> None:
        """Begin, after the delivery's `wait`."""
        wait = self._generation.delivery.wait
        if wait > 0:
            self._timer = self._loop.call_later(wait, self._open)
        else:
            self._open()

    def detach(self) -> None:
        """The client has gone. The generation is abandoned, not ended."""
        if self._wire is not None:
            self._wire = None
            self._generation.abandon()

    def hurry(self) -> None:
        """Say the rest at once, whatever the pace and the wait."""
        if self._generation.state is not State.RUNNING:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._hurried = True
        if self._started:
            self._tick()
        else:
            self._open()

    def cancel(self) -> None:
        """Forget the generation: the simulator ends."""
        self._wire = None
        if self._timer is not None:
            self._timer.cancel()

    def _open(self) -> None:
        self._started = self._loop.time()
        if self._wire is not None:
            self._wire.open_stream(self._generation.delivery)
        self._tick()

    def _tick(self) -> None:
        generation = self._generation
        pace = None if self._hurried else generation.delivery.pace
        due = None
        if pace is not None:
            due = max(1, 1 + int((self._loop.time() - self._started) * pace) - generation.position)
        self._send(generation.take(due))
        if generation.state is State.RUNNING and pace is not None:
            self._timer = self._loop.call_at(self._started + generation.position / pace, self._tick)
        else:
            self._finish()

    def _send(self, taken: Sequence[Frame]) -> None:
        if self._wire is None:
            return
        delivery = self._generation.delivery
        if delivery.ending is not Ending.CLEAN:
            taken = taken[: delivery.breaks_after - self._sent]
        self._sent += len(taken)
        if taken:
            self._wire.send([frame.data for frame in taken])
        if delivery.ending is not Ending.CLEAN and self._sent >= delivery.breaks_after:
            self._break(delivery.ending)

    def _break(self, ending: Ending) -> None:
        wire, self._wire = self._wire, None
        self._generation.abandon()
        if wire is not None:
            wire.break_off(ending)

    def _finish(self) -> None:
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if self._generation.delivery.ending is Ending.CLEAN:
            wire.end_stream()
        else:
            self._generation.abandon()
            wire.break_off(self._generation.delivery.ending)

    def _stopped(self) -> None:
        """`stop` was called: say so, and end the body well. Before the first byte there is only the end."""
        if self._timer is not None:
            self._timer.cancel()
        wire, self._wire = self._wire, None
        if wire is None:
            return
        if not self._started:
            wire.open_stream(self._generation.delivery)
        wire.send([frames.stopped(self._generation.response_id)])
        wire.end_stream()
