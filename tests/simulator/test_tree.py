from __future__ import annotations

import pytest

from qwen_bridge.simulator.tree import Chat, Chats, Node


def node(node_id: str, parent_id: str | None, role: str = "user", at: int = 1) -> Node:
    return Node(id=node_id, role=role, text=f"text of {node_id}", parent_id=parent_id, model="m", timestamp=at)


def chat(chat_id: str = "c", account: str = "me") -> Chat:
    """u1 → a1 → u2 → a2, with a1b beside a1 and u2b beside u2."""
    made = Chat(id=chat_id, account=account, model="m", created_at=0)
    for node_id, parent_id in [("u1", None), ("a1", "u1"), ("u2", "a1"), ("a2", "u2"), ("a1b", "u1"), ("u2b", "a1")]:
        made.add(node(node_id, parent_id, "assistant" if node_id.startswith("a") else "user"))
    return made


def test_a_path_goes_from_the_root_to_a_node() -> None:
    """The path to a branch leaves its siblings out."""
    made = chat()
    assert [n.id for n in made.path("a2")] == ["u1", "a1", "u2", "a2"]
    assert [n.id for n in made.path("u2b")] == ["u1", "a1", "u2b"]
    assert [n.id for n in made.path("a1b")] == ["u1", "a1b"]
    assert made.path(None) == []


def test_an_unknown_node_has_no_path_and_no_children() -> None:
    """What is not in the chat cannot be asked about, nor hung under."""
    with pytest.raises(KeyError):
        chat().path("other")
    with pytest.raises(KeyError):
        chat().add(node("x", "other"))


def test_regenerating_makes_siblings_under_one_question() -> None:
    """Children are kept in the order they came."""
    made = chat()
    assert made.nodes["u1"].children == ["a1", "a1b"]
    assert made.nodes["a1"].children == ["u2", "u2b"]
    assert made.current_id == "a1b"


def test_the_json_of_a_chat_has_the_services_shape() -> None:
    """`GET chat` tells history, ids and nodes under the names of the service."""
    told = chat().to_json()
    assert {"id", "user_id", "title", "chat", "updated_at", "created_at", "currentId", "currentResponseIds"} <= set(
        told
    )
    messages = told["chat"]["history"]["messages"]
    assert told["chat"]["history"]["currentId"] == told["currentId"] == "a1b"
    assert messages["u2"]["parentId"] == "a1"
    assert messages["u1"]["childrenIds"] == ["a1", "a1b"]
    assert [m["id"] for m in told["chat"]["messages"]] == ["u1", "a1b"]
    assert messages["a1"]["content_list"][0]["content"] == "text of a1"
    assert (messages["a1"]["done"], messages["a1"]["is_stop"], messages["a1"]["error"]) == (True, False, None)


def test_only_the_owner_deletes_a_chat() -> None:
    """Deleting takes out the account's own chats and nothing else."""
    chats = Chats()
    chats.add(chat("mine"))
    chats.add(chat("theirs", account="you"))
    assert chats.delete(["mine", "theirs", "none"], "me") == ["mine"]
    assert chats.get("mine") is None
    assert chats.get("theirs") is not None


def test_pages_show_the_last_changed_first() -> None:
    """The list of chats is paged, newest change first, one account's only."""
    chats = Chats()
    for number in range(5):
        made = Chat(id=str(number), account="me", model="m", created_at=number)
        chats.add(made)
    chats.add(chat("theirs", account="you"))
    found = chats.get("0")
    assert found is not None
    found.add(node("u", None, at=99))
    assert [c.id for c in chats.page("me", 1, 2)] == ["0", "4"]
    assert [c.id for c in chats.page("me", 3, 2)] == ["1"]
    assert chats.page("me", 4, 2) == []
