from __future__ import annotations

from qwen_bridge.exchange.habits import LONGER, LONGEST_REST, MOST_MODELS, REST, Habits
from tests.harness.ports import FixedClock


def test_a_model_keeps_its_form_until_the_site_takes_it() -> None:
    """Afterwards the other form is taught to this model, and to no other."""
    habits = Habits()
    assert habits.form("qwen3-max", "auto") == "hermes"
    habits.intercepted("qwen3-max", "hermes")
    assert habits.form("qwen3-max", "auto") == "qwen_xml"
    assert habits.form("qwen3-coder-plus", "auto") == "qwen_xml"
    assert habits.form("qwen-max", "auto") == "hermes"


def test_where_both_forms_were_taken_the_trained_one_is_taught() -> None:
    """Neither is better then, and the model knows its own."""
    habits = Habits()
    habits.intercepted("qwen3-max", "hermes")
    habits.intercepted("qwen3-max", "qwen_xml")
    assert habits.form("qwen3-max", "auto") == "hermes"


def test_the_users_choice_stands() -> None:
    """A form that was set is not changed by what was learnt."""
    habits = Habits()
    habits.intercepted("qwen3-max", "hermes")
    assert habits.form("qwen3-max", "hermes") == "hermes"


def test_it_forgets_the_model_intercepted_longest_ago() -> None:
    """The memory has an end."""
    habits = Habits()
    for number in range(MOST_MODELS + 1):
        habits.intercepted(f"m{number}", "hermes")
    assert habits.form("m0", "auto") == "hermes"
    assert habits.form("m1", "auto") == "qwen_xml"


def test_a_refused_channel_is_tried_again_after_a_rest() -> None:
    """The first rest is short, as the refusal may have been a passing one; further ones are longer, up to a limit."""
    clock = FixedClock()
    habits = Habits(clock)
    for expected in [REST, REST * LONGER, REST * LONGER**2, *[None] * 20, LONGEST_REST]:
        habits.refused_local_tools("m")
        assert not habits.takes_local_tools("m")
        assert habits.takes_local_tools("n")
        if expected is not None:
            clock.time += expected - 1
            assert not habits.takes_local_tools("m")
            clock.time += 1
            assert habits.takes_local_tools("m")


def test_a_channel_that_works_forgets_its_refusals() -> None:
    """The next refusal is a first one again."""
    clock = FixedClock()
    habits = Habits(clock)
    for _ in range(5):
        habits.refused_local_tools("m")
    habits.took_local_tools("m")
    assert habits.takes_local_tools("m")
    habits.refused_local_tools("m")
    clock.time += REST
    assert habits.takes_local_tools("m")


def test_the_refusals_of_models_are_bounded() -> None:
    """The one refused longest ago is tried again."""
    habits = Habits()
    for number in range(MOST_MODELS + 1):
        habits.refused_local_tools(f"m{number}")
    assert (habits.takes_local_tools("m0"), habits.takes_local_tools("m1")) == (True, False)


def test_a_site_that_does_not_go_on_from_questions_is_left_alone_with_them() -> None:
    """For a while, and until it has done so once."""
    clock = FixedClock()
    habits = Habits(clock)
    assert habits.takes_questions()
    habits.refused_question()
    assert not habits.takes_questions()
    clock.time += REST
    assert habits.takes_questions()
    habits.refused_question()
    habits.took_question()
    assert habits.takes_questions()
