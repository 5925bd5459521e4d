"""Learned sessions as text for a terminal: digests, times and what is missing; nothing that anybody could use."""

from __future__ import annotations

from collections.abc import Sequence

from qwen_bridge.observe.figures import span
from qwen_bridge.ports import SessionState

NONE = (
    "No session was learned yet. `qwen-bridge browser` opens Qwen's site in a browser that uses the bridge as its "
    "proxy.\n"
)


def session_table(sessions: Sequence[SessionState], now: float) -> str:
    """A line for each session, in the order given; `now` in seconds since 1970. Ends with a line break."""
    return "".join(f"{_line(session, now)}\n" for session in sessions) or NONE


def _line(session: SessionState, now: float) -> str:
    ends = session.expires_at
    words = [
        session.digest,
        "used" if session.used else "not used",
        f"seen {span(now - session.seen)} ago",
        f"learned {span(now - session.learned)} ago",
        "does not say when it ends" if ends is None else f"ends in {span(ends - now)}" if ends > now else "is over",
        *(["incomplete: send a message at Qwen"] if session.incomplete else []),
    ]
    names = f" by {', '.join(session.used)}" if session.used else ""
    return "  ".join([words[0], words[1] + names, *words[2:]])
