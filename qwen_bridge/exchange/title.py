"""What a chat is called in Qwen's side bar: words of the person who began it, not of the client around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from qwen_bridge.messages import ChatRequest

TITLE_LENGTH: Final = 60
"""Characters of a title."""

UNNAMED: Final = "New Chat"

_OPENERS: Final = (
    "This is the Qwen Code. We are setting up the context",  # qwen-code (recorded)
    "I have *added these files to the chat*",  # aider (recorded)
)
"""How messages begin that a client puts before the first question."""

_TAG: Final = re.compile(r"</?[A-Za-z_][\w-]*>")
"""Roo and Cline set the first question between `<task>`, `<user_message>`, `<feedback>`, on lines of their own."""


def title_of(request: ChatRequest) -> str:
    """The first line of the first question, cut to what a side bar shows."""
    first = next(_lines(request), UNNAMED)
    return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1] + "…"


def _lines(request: ChatRequest) -> Iterator[str]:
    """Lines with words in them, first those of questions, then those of the clients' own openings."""
    texts = [message.text for message in request.dialogue if message.role == "user"]
    for text in sorted(texts, key=lambda text: text.startswith(_OPENERS)):
        for line in text.splitlines():
            if words := _TAG.sub("", line).strip():
                yield words
