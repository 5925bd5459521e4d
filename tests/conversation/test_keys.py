"""One key per message, each over the one before it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.conversation import keys
from qwen_bridge.conversation.canonical import canonical
from qwen_bridge.conversation.keys import Scope, chain, extend, root
from qwen_bridge.messages import Message, TextPart
from tests.conversation.histories import assistant, messages, user

SCOPE = Scope("client", "account", "qwen3-max")
SYSTEM = Message("system", (TextPart("It is noon."),))


@given(st.lists(messages, max_size=4), st.lists(messages, max_size=4))
def test_keys_agree_as_far_as_histories_do(one: list[Message], other: list[Message]) -> None:
    """Two histories share their first keys exactly as far as their messages are the same."""
    for position, (left, right) in enumerate(zip(chain(SCOPE, one), chain(SCOPE, other), strict=False), 1):
        same = [canonical(m) for m in one[:position]] == [canonical(m) for m in other[:position]]
        assert (left == right) == same


@given(st.lists(messages, max_size=4), messages)
def test_extend_goes_on_where_the_chain_ends(history: list[Message], message: Message) -> None:
    """The key of a longer history follows from the key of the shorter one."""
    start = chain(SCOPE, history)[-1] if history else root(SCOPE)
    assert chain(SCOPE, [*history, message])[-1] == extend(start, message)


@pytest.mark.parametrize("field", ["client", "account", "model"])
def test_no_key_is_shared_between_scopes(field: str) -> None:
    """Another client key, account or model never meets the same key."""
    other = replace(SCOPE, **{field: "other"})
    assert chain(SCOPE, [user("a")]) != chain(other, [user("a")])


def test_fields_of_a_scope_do_not_run_together() -> None:
    """A scope is three names, not their concatenation."""
    assert root(Scope("ab", "c", "d")) != root(Scope("a", "bc", "d"))


def test_version_is_in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new canonical form meets no key of an old one."""
    before = root(SCOPE)
    monkeypatch.setattr(keys, "CANONICAL_VERSION", b"qwen-bridge/canonical/next")
    assert root(SCOPE) != before


def test_key_is_stable() -> None:
    """A key written by an earlier release is found by this one, unless the version of the canonical form was raised."""
    assert chain(SCOPE, [user("a"), assistant("b")])[-1] == (
        "863e0e9f013068328e1ebdb9509603e19e0db99a4de4258425b7b86c13745acc"
    )


def test_system_messages_are_passed_over() -> None:
    """A system message leaves the key as it was, at the beginning and in the middle."""
    assert chain(SCOPE, [SYSTEM, user("a"), SYSTEM, assistant("b")]) == [
        root(SCOPE),
        *chain(SCOPE, [user("a")]),
        *chain(SCOPE, [user("a"), assistant("b")]),
    ]


def test_each_message_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain takes each message once, however long the history: its cost is linear in bytes."""
    taken: list[int] = []

    def counted(message: Message) -> bytes:
        data = canonical(message)
        taken.append(len(data))
        return data

    monkeypatch.setattr(keys, "canonical", counted)
    history = [user("x" * 50) if turn % 2 == 0 else assistant("y" * 50) for turn in range(200)]
    chain(SCOPE, history)
    assert sum(taken) == sum(len(canonical(message)) for message in history)
