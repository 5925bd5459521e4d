from __future__ import annotations

import json

import pytest

from qwen_bridge.exchange.title import TITLE_LENGTH, title_of
from qwen_bridge.messages import Message, TextPart
from qwen_bridge.surfaces.chat_completions.request import parse
from tests.exchange.driving import asking, assistant, user
from tests.harness.shared import CLIENTS, needs_shared


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("\n  First line \nsecond", "First line"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        (" \n ", "New Chat"),
        ("<task>\nMend the parser\n</task>", "Mend the parser"),
        ("<task>Mend the parser</task>", "Mend the parser"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("<task>\n</task>", "New Chat"),
    ],
)
def test_a_chat_is_called_by_the_first_line_of_its_first_question(words: str, title: str) -> None:
    """The first line with something in it, cut to what a side bar shows."""
    assert title_of(asking(Message("system", (TextPart("S"),)), user(words), assistant("no"))) == title
    assert len(title) <= TITLE_LENGTH


def test_a_clients_own_opening_is_no_title() -> None:
    """Where there is nothing else it still is better than none."""
    opening = user("This is the Qwen Code. We are setting up the context for our chat.\nToday is Sunday.")
    assert title_of(asking(opening, assistant("Got it."), user("Mend the parser"))) == "Mend the parser"
    assert title_of(asking(opening)).startswith("This is the Qwen Code.")


@needs_shared
@pytest.mark.parametrize("client", ["aider", "cline", "qwen-code", "roo-code-3.36-xml", "roo-code-3.50-native"])
def test_recorded_tasks_are_recognised(client: str) -> None:
    """A person finds the words that they typed."""
    recorded = json.loads((CLIENTS / client / "01.json").read_text(encoding="utf-8"))["body"]
    title = title_of(parse(json.dumps(recorded).encode()))
    assert title in ("Read hello.txt and tell me what it says", "Say what hello.txt contains")
