"""One answer being given: which frames are out, and what has been said so far. Knows no wire and no clock."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from qwen_bridge.simulator.delivery import Delivery
from qwen_bridge.simulator.frames import Frame


class State(Enum):
    """RUNNING → FINISHED (all frames are out) | STOPPED (by a call of `stop`)."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"


class Generation:
    """The frames of `delivery`, handed out in order.

    It runs until its frames are out or it is stopped, with or without a client: a chat is busy that long.
    `when_changed` is called when it is over, before the last frame reaches the wire, and when it is abandoned.
    `when_stopped` belongs to the stream that carries it.
    """

    __slots__ = ("_next", "_said", "_state", "aborted", "delivery", "response_id", "when_changed", "when_stopped")

    def __init__(self, delivery: Delivery, response_id: str) -> None:
        self.delivery = delivery
        self.response_id = response_id
        self.aborted = False
        self.when_changed: Callable[[Generation], None] | None = None
        self.when_stopped: Callable[[], None] | None = None
        self._next = 0
        self._said: list[str] = []
        self._state = State.RUNNING

    @property
    def state(self) -> State:
        return self._state

    @property
    def position(self) -> int:
        """How many frames are out."""
        return self._next

    @property
    def said(self) -> str:
        """The answer's text as far as it is out."""
        return "".join(self._said)

    def take(self, count: int | None = None) -> tuple[Frame, ...]:
        """The next `count` frames, all that are left for None; empty when it is over."""
        if self._state is not State.RUNNING:
            return ()
        frames = self.delivery.frames
        end = len(frames) if count is None else min(len(frames), self._next + count)
        taken = frames[self._next : end]
        self._next = end
        self._said.extend(frame.text for frame in taken if frame.text)
        if end == len(frames):
            self._end(State.FINISHED)
        return taken

    def stop(self) -> None:
        """End here. Does nothing when it is over already."""
        if self._state is not State.RUNNING:
            return
        self.aborted = True
        self._end(State.STOPPED)
        if self.when_stopped is not None:
            self.when_stopped()

    def abandon(self) -> None:
        """The client will not get it to its end. It goes on nevertheless."""
        self.aborted = True
        self._tell()

    def _end(self, state: State) -> None:
        self._state = state
        self._tell()

    def _tell(self) -> None:
        if self.when_changed is not None:
            self.when_changed(self)
