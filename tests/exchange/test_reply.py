from __future__ import annotations

import json

import pytest

from qwen_bridge.errors import BridgeError, InternalError, InvalidRequest, QueueFull
from qwen_bridge.exchange.effects import Begin, Data, End
from qwen_bridge.exchange.reply import refusal, whole
from tests.conformance.invariants import check_error


def leaves(kind: type[BridgeError]) -> list[type[BridgeError]]:
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in leaves(child))]


def test_a_whole_answer_says_type_and_length() -> None:
    """One head, one body, the end; the length counts bytes."""
    begin, data, end = whole(200, '{"ä":1}'.encode(), (("x-request-id", "r"),))
    headers = (("content-type", "application/json"), ("content-length", "8"), ("x-request-id", "r"))
    assert (begin, data, end) == (Begin(200, headers), Data('{"ä":1}'.encode()), End())


def test_an_answer_without_a_body_speaks_of_none() -> None:
    """A 204 has neither a type nor a length, and no empty piece of body."""
    assert whole(204, b"", (("allow", "POST"),)) == [Begin(204, (("allow", "POST"),)), End()]


@pytest.mark.parametrize("kind", leaves(BridgeError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_is_a_legal_refusal(kind: type[BridgeError]) -> None:
    """Status, content type and OpenAI's envelope are right for each leaf."""
    begin, data, end = refusal(kind("It went wrong."))
    assert isinstance(begin, Begin)
    assert isinstance(data, Data)
    assert end == End()
    assert not check_error(begin.status, dict(begin.headers), data.chunk)


def test_a_refusal_keeps_what_the_error_and_the_caller_add() -> None:
    """`retry-after`, `x-should-retry` and the request's id all reach the client, and so does `param`."""
    begin, data, _ = refusal(QueueFull("Slowly.", retry_after=2.4), (("x-request-id", "r"),))
    assert isinstance(begin, Begin)
    assert {("x-request-id", "r"), ("retry-after", "2"), ("x-should-retry", "true")} <= set(begin.headers)
    _, data, _ = refusal(InvalidRequest("No.", param="messages[0]"))
    assert isinstance(data, Data)
    assert json.loads(data.chunk)["error"]["param"] == "messages[0]"


@pytest.mark.parametrize("words", ["内容安全警告", 'a "quoted"\nline', "half an emoji: \ud83d", ""])
def test_any_words_can_be_told(words: str) -> None:
    """No text in an error, not even half a surrogate pair, keeps the client from being told no."""
    _, data, _ = refusal(InternalError(words))
    assert isinstance(data, Data)
    assert json.loads(data.chunk)["error"]["message"] == words.replace("\ud83d", "\ufffd")
