"""The judge of a run must see what it is there to see."""

from __future__ import annotations

from typing import Any

from tests.chaos.reading import Said
from tests.chaos.record import Record

HISTORY = [{"role": "user", "content": "Hi"}]


def turn(message: str = "Hi", answer: str = "Hello.", context: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"message": message, "files": [], "context": list(context), "answer": answer}


def kinds(record: Record) -> list[str]:
    return [complaint.partition(":")[0] for complaint in record.wrong]


def heard(said: str, *turns: dict[str, Any]) -> Record:
    record = Record()
    record.hears("client 1", record.asks("client 1", HISTORY), Said(said, ()))
    record.held_against(turns)
    return record


def test_a_true_answer_is_no_complaint() -> None:
    """Asked, answered in the client's own history, in Qwen's own words; asked again on the way or not."""
    assert kinds(heard("Hello.", turn())) == []
    assert kinds(heard("Hello.", turn(answer=""), turn())) == []


def test_a_context_nobody_sent_is_wrong() -> None:
    """A turn at Qwen whose path and question are no client's history."""
    stray = {"role": "user", "content": "another's"}
    assert kinds(heard("Hello.", turn(), turn(context=(stray,)))) == ["a wrong context"]
    assert kinds(heard("Hello.", turn(), turn(message="hi"))) == ["a wrong context"]


def test_words_that_qwen_has_not_said_are_wrong() -> None:
    """An answer that is another's, doubled, or cut."""
    assert kinds(heard("Hello.Hello.", turn())) == ["an answer that Qwen has not given"]
    assert kinds(heard("Hello.")) == ["an answer that Qwen has not given"]


def test_a_call_runs_once_and_whole() -> None:
    """The same order twice, and arguments that are not those that were ordered."""
    record = Record()
    record.executes("client 1", "mk1x1", '{"path": "a"}', '{"path":"a"}')
    assert kinds(record) == []
    record.executes("client 1", "mk1x1", '{"path": "a"}', '{"path":"a"}')
    record.executes("client 1", "mk1x2", "{}", '{"path":"a"}')
    assert kinds(record) == ["a call twice", "a call that is not whole"]
