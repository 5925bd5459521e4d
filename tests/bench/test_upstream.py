"""The simulator that says when it began."""

from __future__ import annotations

import httpx

from qwen_bridge.simulator.delivery import Delivery
from qwen_bridge.simulator.frames import Frame
from qwen_bridge.simulator.world import Settings
from tests.bench.upstream import STAMP, StampingSimulator, speech, stamped
from tests.harness.qwen_browser import browser_at, text_of


def test_every_piece_is_as_long_as_the_stamp() -> None:
    """Cut at the stamp's length, a speech is the stamp and then numbers from 1 on."""
    text = speech(1234)
    pieces = [text[start : start + len(STAMP)] for start in range(0, len(text), len(STAMP))]
    assert pieces[0] == STAMP
    assert [int(piece[1:7]) for piece in pieces[1:]] == list(range(1, 1234))
    assert text.count("#") == 1233


def test_the_stamp_says_when_its_own_frame_is_due() -> None:
    """At 40 events per second the second frame is due 25 ms after the beginning."""
    frames = (Frame(b"created"), Frame(f'"{STAMP}"'.encode(), STAMP), Frame(b"end"))
    first, second, third = stamped(Delivery(frames=frames, pace=40.0), 1000.0).frames
    assert (first, third) == (frames[0], frames[2])
    assert second.data == b'"@00001000.025000"'


def test_without_a_stamp_nothing_is_changed() -> None:
    """Other answers pass as they are."""
    delivery = Delivery(frames=(Frame(b"created"),), pace=40.0)
    assert stamped(delivery, 1000.0) is delivery


async def test_a_scripted_speech_arrives_with_the_time_in_it() -> None:
    """Over the wire the stamp is replaced and the rest of the speech is whole."""
    async with StampingSimulator(settings=Settings(max_streams=None)) as simulator, browser_at(simulator) as browser:
        simulator.script([{"text": speech(5), "chunk": len(STAMP)}])
        answer: httpx.Response = await browser.ask(await browser.new_chat(), "Go on.")
    text = text_of(answer.content)
    assert float(text[1 : len(STAMP)]) > 0
    assert text[len(STAMP) :] == speech(5)[len(STAMP) :]
