"""What a surface writes into an event stream: an event, a comment, OpenAI's end mark.

Form as OpenAI's own servers write it: `data: ` with one space, LF ends, one blank line behind each event.
"""

from __future__ import annotations

DONE = b"data: [DONE]\n\n"
"""The end mark of `/v1/chat/completions`; the Responses API has none."""


def encode(data: bytes, event: str | None = None) -> bytes:
    """One event. `data` is meant to be one line of JSON; `event` is the type, left out when None.

    A line end inside `data` would break the frame, so each line gets its own `data:` (a receiver joins them by LF).
    """
    head = b"" if event is None else b"event: " + _one_line(event) + b"\n"
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return head + b"data: " + data + b"\n\n"


def comment(text: str) -> bytes:
    """A comment: every client skips it, every proxy and timer on the way sees traffic. Line ends become spaces."""
    return b": " + _one_line(text) + b"\n\n"


def _one_line(text: str) -> bytes:
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8", "replace")
