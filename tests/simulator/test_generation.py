from __future__ import annotations

from qwen_bridge.simulator.delivery import Delivery
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.generation import Generation, State

FRAMES = (Frame(b"created"), Frame(b"one", "1"), Frame(b"two", "2"))


def generation() -> tuple[Generation, list[tuple[State, str, bool]]]:
    """A generation, and what it told whenever it changed."""
    told: list[tuple[State, str, bool]] = []
    made = Generation(Delivery(frames=FRAMES), "a")
    made.when_changed = lambda changed: told.append((changed.state, changed.said, changed.aborted))
    return made, told


def test_frames_come_in_order_and_once() -> None:
    """Taking gives the next frames; the last one finishes it."""
    made, told = generation()
    assert made.take(2) == FRAMES[:2]
    assert (made.said, made.position, made.state) == ("1", 2, State.RUNNING)
    assert made.take(None) == FRAMES[2:]
    assert made.take() == ()
    assert told == [(State.FINISHED, "12", False)]


def test_stopping_keeps_what_was_said() -> None:
    """A stopped answer has the text so far, gives no more frames, and cannot be stopped twice."""
    made, told = generation()
    stops: list[str] = []
    made.when_stopped = lambda: stops.append("stop")
    made.take(2)
    made.stop()
    made.stop()
    assert made.take() == ()
    assert told == [(State.STOPPED, "1", True)]
    assert stops == ["stop"]


def test_an_abandoned_answer_goes_on() -> None:
    """A client that leaves is noted; the model speaks to its end."""
    made, told = generation()
    made.take(1)
    made.abandon()
    made.take()
    assert told == [(State.RUNNING, "", True), (State.FINISHED, "12", True)]


def test_a_finished_answer_is_not_stopped() -> None:
    """A stop that comes too late changes nothing."""
    made, told = generation()
    made.take()
    made.stop()
    assert told == [(State.FINISHED, "12", False)]
