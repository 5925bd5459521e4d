from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from qwen_bridge.simulator.delivery import Delivery, Ending
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.generation import Generation, State
from qwen_bridge.simulator.stream import Stream
from tests.harness.qwen_browser import eventually

FRAMES = tuple(Frame(b"%d" % number, str(number)) for number in range(6))


class Paper:
    """A wire that only writes down."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.over = asyncio.Event()

    def open_stream(self, delivery: Delivery) -> None:
        self.lines.append("open")

    def send(self, pieces: Sequence[bytes]) -> None:
        self.lines += [piece.decode() for piece in pieces]

    def end_stream(self) -> None:
        self._end("end")

    def break_off(self, ending: Ending) -> None:
        self._end(ending.value)

    def _end(self, how: str) -> None:
        self.lines.append(how)
        self.over.set()


def begin(**delivery: Any) -> tuple[Stream, Generation, Paper]:
    generation, paper = Generation(Delivery(frames=FRAMES, **delivery), "a"), Paper()
    stream = Stream(generation, paper, asyncio.get_running_loop())
    stream.start()
    return stream, generation, paper


async def test_without_a_pace_all_is_said_at_once() -> None:
    """No timer is needed: when `start` returns, the answer is out."""
    _, generation, paper = begin()
    assert paper.lines == ["open", *"012345", "end"]
    assert generation.state is State.FINISHED


async def test_at_a_pace_the_first_frame_comes_at_once_and_all_come_in_order() -> None:
    """The pace only delays."""
    _, generation, paper = begin(pace=500)
    assert paper.lines == ["open", "0"]
    await paper.over.wait()
    assert paper.lines == ["open", *"012345", "end"]
    assert not generation.aborted


async def test_a_late_loop_catches_up() -> None:
    """Frames that became due meanwhile go out together: the pace is the model's, not the loop's."""
    _, generation, paper = begin(pace=1_000_000)
    await asyncio.sleep(0.01)
    assert paper.lines == ["open", *"012345", "end"]
    assert generation.state is State.FINISHED


async def test_nothing_is_sent_before_the_wait_is_over() -> None:
    """Headers wait as well."""
    _, _, paper = begin(wait=0.01)
    assert paper.lines == []
    await paper.over.wait()
    assert paper.lines == ["open", *"012345", "end"]


async def test_the_generation_goes_on_without_its_client() -> None:
    """Nothing more is written, and the model speaks to its end."""
    stream, generation, paper = begin(pace=500)
    stream.detach()
    stream.detach()
    assert generation.aborted
    await eventually(lambda: generation.state is not State.RUNNING)
    assert paper.lines == ["open", "0"]
    assert generation.said == "012345"


@pytest.mark.parametrize("pace", [None, 500])
@pytest.mark.parametrize("ending", [Ending.CUT, Ending.RESET, Ending.STALL])
@pytest.mark.parametrize("after", [0, 2, 6, 99])
async def test_a_wire_breaks_and_the_generation_goes_on(pace: float | None, ending: Ending, after: int) -> None:
    """`breaks_after` frames come through, then the wire ends as told; the answer is whole, and aborted."""
    _, generation, paper = begin(pace=pace, ending=ending, breaks_after=after)
    await paper.over.wait()
    await eventually(lambda: generation.state is not State.RUNNING)
    assert paper.lines == ["open", *"012345"[:after], ending.value]
    assert (generation.said, generation.aborted) == ("012345", True)


async def test_a_stop_is_said_and_ends_well() -> None:
    """After a stop comes the frame that says so, and a clean end."""
    _, generation, paper = begin(pace=0.001)
    generation.stop()
    assert paper.lines == ["open", "0", 'data: {"response.stopped": {"response_id": "a"}}\n\n', "end"]
    assert (generation.said, generation.aborted) == ("0", True)


async def test_a_stop_before_the_first_byte_opens_first() -> None:
    """An answer that is still waiting is opened to say that it was stopped."""
    _, generation, paper = begin(wait=60)
    generation.stop()
    assert [line[:6] for line in paper.lines] == ["open", "data: ", "end"]


async def test_a_stop_without_a_client_is_silent() -> None:
    """Nobody is told, and the generation is over."""
    stream, generation, paper = begin(pace=0.001)
    stream.detach()
    generation.stop()
    assert paper.lines == ["open", "0"]
    assert generation.state is State.STOPPED


async def test_a_hurried_stream_says_the_rest_at_once() -> None:
    """Neither the pace nor the wait counts any more, and what is over stays so."""
    for slow in ({"pace": 0.001}, {"wait": 60}):
        stream, generation, paper = begin(**slow)
        stream.hurry()
        stream.hurry()
        assert paper.lines == ["open", *"012345", "end"]
        assert generation.state is State.FINISHED


async def test_a_hurried_stream_without_its_client_ends_in_silence() -> None:
    """The model speaks to its end, and nothing is written."""
    stream, generation, paper = begin(pace=0.001)
    stream.detach()
    stream.hurry()
    assert paper.lines == ["open", "0"]
    assert generation.said == "012345"


async def test_a_cancelled_stream_says_nothing_more() -> None:
    """When the simulator ends, so do its timers."""
    stream, _, paper = begin(pace=500)
    stream.cancel()
    await asyncio.sleep(0.02)
    assert paper.lines == ["open", "0"]
