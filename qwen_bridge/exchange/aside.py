"""Requests that clients make beside a conversation, and whose answers nobody continues from.

Only what is surely one counts: no tools, no answer in the history, and the very words with which a known client begins.
Anything else is a conversation; taking one of these for an aside would delete somebody's chat.
"""

from __future__ import annotations

from typing import Final

from qwen_bridge.messages import ChatRequest

SYSTEM_OPENINGS: Final = (
    "You are a title generator",  # opencode, Kilo 7 (recorded)
    "You are an expert software engineer that generates concise, one-line Git commit messages",  # aider
)
QUESTION_OPENINGS: Final = ("Generate an enhanced version of this prompt",)  # Roo Code's "enhance prompt"


def is_aside(request: ChatRequest) -> bool:
    """Whether the request is a title, a commit message or a better prompt asked for beside a conversation."""
    dialogue = request.dialogue
    if request.tools or not dialogue or any(message.role != "user" for message in dialogue):
        return False
    return request.instructions.startswith(SYSTEM_OPENINGS) or dialogue[0].text.startswith(QUESTION_OPENINGS)
