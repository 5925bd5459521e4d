from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.model import Said, answer, number_of

SEED = "b121c6aa-b8e0-43b1-9340-ab3b2a340576"


def said(*texts: str) -> list[Said]:
    """A path: user and assistant in turns."""
    return [Said("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)]


def test_an_invented_number_belongs_to_its_answer() -> None:
    """The number has six digits, is the same for the same answer, and another for another."""
    text = answer([], "Please invent a number.", SEED).text
    assert text == f"The number is {number_of(SEED)}."
    assert len(number_of(SEED)) == 6
    assert len({number_of(str(seed)) for seed in range(50)}) == 50


def test_a_number_is_repeated_from_what_the_model_said() -> None:
    """Its own last number counts, whatever numbers the user named."""
    path = said("invent a number", "The number is 111111.", "again", "The number is 222222.", "The number is 333333.")
    assert answer(path, "Repeat the number", SEED).text == "The number was 222222."
    assert answer(path, "what number did you say?", SEED).text == "The number was 222222."


def test_without_its_own_words_the_model_does_not_know_the_number() -> None:
    """On a path that lost the assistant's answers there is no number to repeat."""
    assert answer([Said("user", "invent a number")], "repeat the number", SEED).text == "I have not said a number."


def test_a_number_is_found_in_a_transcript() -> None:
    """Where the model has said nothing, a transcript in the user's message stands in for its words."""
    transcript = "User: invent a number\nAssistant: The number is 654321.\nUser: repeat the number"
    assert answer([], transcript, SEED).text == "The number was 654321."
    assert answer(said(transcript, "The number was 654321."), "repeat the number", SEED).text.endswith("654321.")


def test_the_last_order_counts() -> None:
    """A rendered transcript has earlier orders in it; the present one stands at its end."""
    transcript = "User: repeat the number\nUser: call tool ls with {}\nUser: invent a number"
    assert answer([], transcript, SEED).text.startswith("The number is ")
    assert answer([], transcript + "\nUser: say nothing", SEED).text == ""


def test_what_the_user_said_is_quoted_in_order() -> None:
    """The user's earlier messages come back, the assistant's do not."""
    text = answer(said("first ü", "no", "second 🐼", "no"), "What did I say?", SEED).text
    assert text == 'You said: "first ü" and then "second 🐼"'
    assert answer([], "what did I say", SEED).text == "You have not said anything before."


def test_what_stands_before_the_question_is_quoted_too() -> None:
    """In a single message with a transcript, the transcript is what the user said."""
    assert answer([], "User: I like tea.\n\nRecall what the user said", SEED).text == 'You said: "User: I like tea."'


def test_quotes_are_bounded() -> None:
    """However much was said, the answer stays short."""
    assert len(answer(said(*["x" * 5000, "y"] * 200), "what did I say", SEED).text) <= 2000


def test_facts_are_remembered_over_turns_and_within_a_message() -> None:
    """Everything after `remember:` on the path and before the question comes back once."""
    path = said("remember: the sky is green", "I will remember: the sky is green", "Remember: 2 cats", "I will …")
    text = answer(path, "remember: tea\nWhat should you remember?", SEED).text
    assert text == "You told me to remember: the sky is green; 2 cats; tea"
    assert answer([], "what should you remember", SEED).text == "You have not told me to remember anything."


def test_a_fact_is_acknowledged() -> None:
    """`remember: X` alone is answered with a promise."""
    assert answer([], "remember: 北京", SEED).text == "I will remember: 北京"


@pytest.mark.parametrize(
    ("order", "dialect", "start"),
    [
        ('call tool read_file with {"path": "a {b}"}', "hermes", '<tool_call>\n{"name": "read_file"'),
        ('call tool read_file with {"path": "a"} in qwen_xml please', "qwen_xml", "<tool_call>\n<function=read_file>"),
        ('call tool read_file with {"path": "a"} in roo_xml', "roo_xml", "<read_file>\n<path>a</path>"),
        ('call tool read_file with {"path": "a"} in json_fence', "json_fence", "```json\n"),
        ("call tool read_file in bare_json", "bare_json", '{"name": "read_file", "arguments": {}}'),
        ("call tool read_file with {broken", "hermes", '<tool_call>\n{"name": "read_file", "arguments": {}}'),
    ],
)
def test_a_tool_is_called_in_the_named_dialect(order: str, dialect: str, start: str) -> None:
    """The call has the given name and JSON arguments; what cannot be read counts as no arguments."""
    plan = answer([], order, SEED)
    assert plan.dialect == dialect
    assert plan.text.startswith(start)


def test_a_tool_result_ends_the_calling() -> None:
    """After a result the earlier order to call is not followed again."""
    message = "call tool ls with {}\n<tool_response>\na.txt\n</tool_response>"
    assert answer([], message, SEED).text == "The tool said: a.txt"


def test_counting_is_as_long_as_asked_for() -> None:
    """`count to N` gives answers of any length, up to a bound."""
    assert answer([], "count to 3", SEED).text == "1 2 3"
    assert answer([], "count to 99999999", SEED).text.endswith(" 20000")


def test_thinking_comes_when_asked_for_in_words_or_by_the_request() -> None:
    """Reasoning is there for `think about X`, and for anything when the request wants it."""
    assert "tea" in answer([], "think about tea", SEED).reasoning
    assert answer([], "hello", SEED).reasoning == ""
    assert answer([], "hello", SEED, thinking=True).reasoning


@given(st.text(), st.text())
def test_two_questions_give_two_answers(first: str, second: str) -> None:
    """The answer to anything else tells questions of different length or beginning apart."""
    answers = [answer([], text, SEED).text for text in (first, second)]
    if len(first) != len(second) and first.split() and second.split():
        assert answers[0] != answers[1]


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text())), st.text(), st.text(min_size=1))
def test_the_model_is_a_function(path: list[tuple[str, str]], message: str, seed: str) -> None:
    """Whatever it reads, it answers, and answers the same again."""
    context = [Said(role, text) for role, text in path]
    assert answer(context, message, seed) == answer(context, message, seed)
