"""Tables and trees as a person reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.observe.conversations import chat_table, chat_tree
from qwen_bridge.ports import Anchor, ChatSummary

NOW = 1_800_000_000.0


def chat(chat_id: str, used: float, depth: int = 2, anchors: int = 1) -> ChatSummary:
    return ChatSummary(chat_id, "qwen3-max", "0123456789abcdef", depth, anchors, NOW - used)


def node(name: str, depth: int, previous: str = "") -> Anchor:
    return Anchor("chat-1", name, "qwen3-max", "0123456789abcdef", "i", depth, previous)


def shown(text: str) -> list[str]:
    return text.splitlines()


def test_table() -> None:
    """Each chat has a line, names to the left, numbers to the right, the account as a short digest."""
    table = chat_table([chat("c1", 30), chat("chat-two", 7200, 212, 106)], NOW)
    assert shown(table) == [
        "CHAT      MODEL      ACCOUNT   MESSAGES  NODES      USED",
        "c1        qwen3-max  01234567         2      1  30 s ago",
        "chat-two  qwen3-max  01234567       212    106   2 h ago",
    ]


def test_times() -> None:
    """Age is told in the largest unit that fits; a time ahead of us is now."""
    ages = [-100.0, 0.5, 1, 59, 60, 3599, 3600, 86_399, 86_400, 40 * 86_400]
    lines = shown(chat_table([chat("c", age) for age in ages], NOW))[1:]
    expected = ["just now", "just now", "1 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "40 d"]
    assert [line.rpartition("1  ")[2].strip().removesuffix(" ago") for line in lines] == expected


def test_nothing_to_show() -> None:
    """An empty store and an unknown chat are said in words."""
    assert chat_table([], NOW) == "No conversation is remembered.\n"
    assert chat_tree([]) == "This chat is not remembered.\n"


def test_straight_conversation_is_not_set_in() -> None:
    """One turn after the other runs straight down, whatever the order in which they come."""
    anchors = [node("n3", 6, "n2"), node("n1", 2), node("n2", 4, "n1")]
    assert shown(chat_tree(anchors)) == ["chat-1  qwen3-max  account 01234567", "2  n1", "4  n2", "6  n3"]


def test_forks_are_set_in() -> None:
    """Where a turn was asked again, or several conversations share a beginning, branches stand side by side."""
    anchors = [
        *(node("a", 2), node("b", 4, "a"), node("c", 4, "a"), node("d", 6, "b")),
        *(node("e", 6, "c"), node("f", 6, "c"), node("g", 8, "d")),
    ]
    assert shown(chat_tree(anchors))[1:] == [
        "2  a",
        "├─ 4  b",
        "│  6  d",
        "│  8  g",
        "└─ 4  c",
        "   ├─ 6  e",
        "   └─ 6  f",
    ]


def test_forgotten_and_unknown_nodes() -> None:
    """A node whose predecessor is gone says so; one that never knew it, and a second history, are told too."""
    anchors = [node("a", 2), node("b", 8, "gone"), node("c", 10, "b"), node("c", 10, "b"), node("old", 6)]
    assert shown(chat_tree(anchors))[1:] == [
        "├─ 2  a",
        "├─ 8  b  (after gone, forgotten)",
        "│  10  c  (2 histories)",
        "└─ 6  old",
    ]


def test_terminal_is_not_commanded() -> None:
    """Whatever stands in an id, a terminal only shows it."""
    evil = "\x1b[2J\r\n\x07"
    for text in (chat_table([chat(evil, 1)], NOW), chat_tree([node(evil, 2, evil + "x")])):
        assert len(shown(text)) == 2
        assert all(line.isprintable() for line in shown(text))


def test_deep_trees() -> None:
    """A chat with thousands of turns, each asked twice, is no trouble."""
    anchors = [node(f"{depth}{side}", depth, f"{depth - 2}a") for depth in range(2, 4002, 2) for side in "ab"]
    assert len(shown(chat_tree(anchors))) == 4001


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 4), st.sampled_from(["", *"abcdef"])), max_size=12))
def test_every_node_is_shown_once(facts: list[tuple[str, int, str]]) -> None:
    """Whatever the anchors say of one another, each node has one line, and no line is another's."""
    anchors = [node(name, depth, previous) for name, depth, previous in facts]
    lines = [line.lstrip("│├└─ ").split("  ")[1] for line in shown(chat_tree(anchors))[1:]] if anchors else []
    assert sorted(lines) == sorted({name for name, _, _ in facts})
