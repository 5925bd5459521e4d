from __future__ import annotations

from qwen_bridge.exchange.silence import Silence


def test_silence_begins_with_the_first_look() -> None:
    """Whoever has never spoken is silent since the first tick that asks."""
    silence = Silence()
    assert [silence.seconds(now) for now in (100.0, 101.5, 160.0)] == [0.0, 1.5, 60.0]


def test_a_word_ends_the_silence() -> None:
    """After a word the count begins at the next tick, however many words there were."""
    silence = Silence()
    silence.seconds(0.0)
    silence.broken()
    silence.broken()
    assert [silence.seconds(now) for now in (30.0, 31.0)] == [0.0, 1.0]


def test_looking_does_not_end_the_silence() -> None:
    """Two looks at one moment see the same."""
    silence = Silence()
    silence.seconds(0.0)
    assert (silence.seconds(9.0), silence.seconds(9.0)) == (9.0, 9.0)
