"""The book of recent anchors: bounded, and aware of what was continued and what is dead."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from qwen_bridge.conversation.anchors import PER_KEY, AnchorBook
from qwen_bridge.ports import Anchor


def anchor(chat: str, node: str = "n", instructions: str = "i") -> Anchor:
    return Anchor(chat, node, "m", "a", instructions, 2)


def book(*anchors: tuple[str, Anchor], capacity: int = 100) -> AnchorBook:
    made = AnchorBook(capacity)
    for key, value in anchors:
        made.put(key, value)
    return made


def test_find_gives_known_keys_oldest_first() -> None:
    """All chats that hold a history are given, the oldest first; unknown keys are absent."""
    held = book(("k", anchor("a")), ("k", anchor("b")), ("l", anchor("c")))
    assert held.find(["k", "l", "x"]) == {"k": [anchor("a"), anchor("b")], "l": [anchor("c")]}


def test_put_again_renews_and_keeps_the_age() -> None:
    """The same node is held once, with its latest instructions, in its old place."""
    held = book(("k", anchor("a")), ("k", anchor("b")), ("k", anchor("a", instructions="new")))
    assert held.find(["k"]) == {"k": [anchor("a", instructions="new"), anchor("b")]}
    assert len(held) == 2


def test_claimed_nodes_come_last() -> None:
    """A node that was continued is offered after those that were not, so that twins stay apart."""
    held = book(("k", anchor("a")), ("k", anchor("b")), ("k", anchor("c")))
    held.claim(anchor("a"))
    assert held.find(["k"]) == {"k": [anchor("b"), anchor("c"), anchor("a")]}
    assert (held.is_claimed(anchor("a")), held.is_claimed(anchor("a", "other"))) == (True, False)


def test_merge_keeps_the_order_of_the_store_and_the_word_of_the_book() -> None:
    """The store knows who is older, the book what was said last."""
    held = book(("k", anchor("b", instructions="new")), ("k", anchor("c")))
    held.merge({"k": [anchor("a"), anchor("b")], "l": [anchor("d")], "m": []})
    assert held.find(["k", "l", "m"]) == {
        "k": [anchor("a"), anchor("b", instructions="new"), anchor("c")],
        "l": [anchor("d")],
    }
    assert len(held) == 4


def test_dropped_nodes_do_not_come_back_from_the_store() -> None:
    """What Qwen refused stays forgotten, even while the store could not be told."""
    held = book(("k", anchor("a")), ("l", anchor("a", "m")), ("k", anchor("b")), ("l", anchor("b")))
    assert held.drop("a", "n") == 1
    assert held.drop_chat("b") == 2
    held.merge({"k": [anchor("a"), anchor("b")], "l": [anchor("a", "m"), anchor("b", "z")]})
    assert held.find(["k", "l"]) == {"l": [anchor("a", "m")]}
    assert (held.drop("a", "n"), held.drop_chat("unknown")) == (0, 0)


def test_an_answer_from_a_node_believed_dead_brings_it_back() -> None:
    """A new anchor is better evidence than an old refusal."""
    held = book(("k", anchor("a")))
    held.drop("a", "n")
    held.drop_chat("a")
    held.put("k", anchor("a"))
    assert held.find(["k"]) == {"k": [anchor("a")]}


def test_least_recently_used_keys_leave_first() -> None:
    """Beyond the capacity the key that was longest not asked for is forgotten."""
    held = book(("k", anchor("a")), ("l", anchor("b")), capacity=2)
    held.find(["k"])
    held.put("m", anchor("c"))
    assert list(held.find(["k", "l", "m"])) == ["k", "m"]


def test_leaves_leave_before_what_they_hang_on() -> None:
    """Keys asked deepest first, as the planner does, end with the root used last."""
    held = book(("root", anchor("a", "1")), ("leaf", anchor("a", "2")), capacity=2)
    held.find(["leaf", "root"])
    held.put("other", anchor("b"))
    assert list(held.find(["leaf", "root"])) == ["root"]


def test_one_history_in_many_chats_is_bounded() -> None:
    """Of one key the youngest chats are kept."""
    held = book(*(("k", anchor(str(number))) for number in range(PER_KEY + 5)), capacity=1000)
    assert [a.chat_id for a in held.find(["k"])["k"]] == [str(number) for number in range(5, PER_KEY + 5)]


def test_room_for_nothing_is_refused() -> None:
    """A capacity below one is a mistake."""
    with pytest.raises(ValueError):
        AnchorBook(0)


KEYS = st.sampled_from("klm")
CHATS = st.sampled_from("abcd")
NODES = st.sampled_from("12")


class BookAgainstModel(RuleBasedStateMachine):
    """A book that never fills up is a plain list of (key, anchor) with a set of the dead beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.book = AnchorBook(10_000)
        self.small = AnchorBook(5)
        self.model: list[tuple[str, Anchor]] = []
        self.dead: set[tuple[str, str | None]] = set()

    @rule(key=KEYS, chat=CHATS, node=NODES)
    def put(self, key: str, chat: str, node: str) -> None:
        self.dead -= {(chat, node), (chat, None)}
        for book in (self.book, self.small):
            book.put(key, anchor(chat, node))
        if (key, anchor(chat, node)) not in self.model:
            self.model.append((key, anchor(chat, node)))

    @rule(key=KEYS, chat=CHATS, node=NODES)
    def merge(self, key: str, chat: str, node: str) -> None:
        found = (key, anchor(chat, node))
        for book in (self.book, self.small):
            book.merge({key: [found[1]]})
        if not self.dead & {(chat, node), (chat, None)}:
            self.model = [found, *(known for known in self.model if known != found)]

    @rule(chat=CHATS, node=NODES | st.none())
    def drop(self, chat: str, node: str | None) -> None:
        doomed = [k for k in self.model if k[1].chat_id == chat and node in (None, k[1].parent_id)]
        self.dead.add((chat, node))
        gone = [book.drop_chat(chat) if node is None else book.drop(chat, node) for book in (self.book, self.small)]
        assert gone[0] == len(doomed)
        self.model = [known for known in self.model if known not in doomed]

    @invariant()
    def same(self) -> None:
        found = self.book.find(list("klm"))
        assert {(key, a) for key, anchors in found.items() for a in anchors} == set(self.model)
        for key in found:
            assert found[key] == [a for k, a in self.model if k == key]
        assert len(self.book) == len(self.model)

    @invariant()
    def bounded(self) -> None:
        held = [a for anchors in self.small.find(list("klm")).values() for a in anchors]
        assert len(held) == len(self.small) <= 5


TestBookAgainstModel = BookAgainstModel.TestCase
