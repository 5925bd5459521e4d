"""Learned sessions for a terminal."""

from __future__ import annotations

import pytest

from qwen_bridge.observe.learned import session_table
from qwen_bridge.ports import SessionState

NOW = 1000.0


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (
            SessionState("abcd1234", ["default", "work"], 400.0, 940.0, NOW + 3600, incomplete=False),
            "abcd1234  used by default, work  seen 1 min ago  learned 10 min ago  ends in 1 h\n",
        ),
        (
            SessionState("abcd1234", [], 400.0, 940.0, NOW - 1, incomplete=True),
            "abcd1234  not used  seen 1 min ago  learned 10 min ago  is over  incomplete: send a message at Qwen\n",
        ),
        (
            SessionState("abcd1234", [], 1000.0, 1000.0, None, incomplete=False),
            "abcd1234  not used  seen 0 s ago  learned 0 s ago  does not say when it ends\n",
        ),
    ],
)
def test_a_session_is_a_line(state: SessionState, line: str) -> None:
    """Who uses it, how old it is, and what it lacks."""
    assert session_table([state], NOW) == line


def test_without_one_it_says_how_to_get_it() -> None:
    """And nothing else."""
    assert "uses the bridge as its proxy" in session_table([], NOW)
