from __future__ import annotations

from qwen_bridge.exchange.habits import MOST_MODELS, Habits


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
