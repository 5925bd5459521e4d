from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Model

from qwen_bridge.errors import UnknownModel
from qwen_bridge.surfaces.models import ModelCard, list_body, one_body, resolve
from tests.conformance.invariants import check_model, check_models

KNOWN = ("qwen3-max", "Qwen3-Coder-Plus", "qwen3-vl-plus", "gpt-oss-qwen")
ALIASES = {"fast": "qwen3-vl-plus", "gpt-4o-mini": "qwen3-vl-plus", "qwen3-max": "qwen3-coder-plus"}


def resolved(name: str, known: tuple[str, ...] | None = KNOWN) -> str:
    return resolve(name, known=known, aliases=ALIASES, default="qwen3-max")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("fast", "qwen3-vl-plus"),
        ("openai/fast", "qwen3-vl-plus"),
        ("gpt-4o-mini", "qwen3-vl-plus"),
        ("qwen3-max", "qwen3-coder-plus"),
        ("Qwen3-Coder-Plus", "Qwen3-Coder-Plus"),
        ("QWEN3-CODER-PLUS", "Qwen3-Coder-Plus"),
        ("openai/qwen3-vl-plus", "qwen3-vl-plus"),
        ("gpt-oss-qwen", "gpt-oss-qwen"),
        ("gpt-4o", "qwen3-max"),
        ("GPT-5.1", "qwen3-max"),
        ("chatgpt-4o-latest", "qwen3-max"),
        ("o1", "qwen3-max"),
        ("o3-mini", "qwen3-max"),
        ("o4-mini", "qwen3-max"),
        ("text-davinci-003", "qwen3-max"),
        ("openai/gpt-4o", "qwen3-max"),
        ("openai/whatever", "qwen3-max"),
    ],
)
def test_name_is_resolved(name: str, model: str) -> None:
    """An alias comes before a known id, a known id before its spelling, and OpenAI's names mean the default."""
    assert resolved(name) == model


@pytest.mark.parametrize("name", ["o1x", "o2-mini", "fast2", "Fast", "claude-sonnet", "gpt", "", "x" * 5000])
def test_unknown_name_is_refused(name: str) -> None:
    """A name that is none of these is an UnknownModel of bounded length that points to the aliases."""
    with pytest.raises(UnknownModel, match="aliases") as refused:
        resolved(name)
    assert refused.value.param == "model"
    assert refused.value.code == "model_not_found"
    assert len(refused.value.message) < 400


def test_close_names_are_offered() -> None:
    """A slip of the pen is answered with what was probably meant, as Qwen spells it."""
    with pytest.raises(UnknownModel, match="Close to it: Qwen3-Coder-Plus"):
        resolved("qwen3-code-plus")


@pytest.mark.parametrize(("known", "words"), [(KNOWN, "among others: Qwen3"), ((), "no models")])
def test_without_close_names_some_are_shown(known: tuple[str, ...], words: str) -> None:
    """When nothing is close, the first known names are shown, if there are any."""
    with pytest.raises(UnknownModel, match=words):
        resolved("zzzzzzzz", known)


def test_without_a_list_the_name_goes_through() -> None:
    """Where Qwen's list could not be had, aliases and OpenAI's names still count; any other name is Qwen's to judge."""
    assert resolved("fast", None) == "qwen3-vl-plus"
    assert resolved("gpt-4o", None) == "qwen3-max"
    assert resolved("qwen9-preview", None) == "qwen9-preview"


@given(st.text(max_size=40), st.none() | st.lists(st.text(max_size=10), max_size=5))
@settings(deadline=None)
def test_resolution_is_total(name: str, known: list[str] | None) -> None:
    """Any name is resolved, to an id that may be sent, or refused."""
    try:
        model = resolve(name, known=known, aliases={}, default="d")
    except UnknownModel:
        assert known is not None
    else:
        assert model in {"d", name, *(known or ())}


def test_list_is_openais() -> None:
    """The list and each of its entries are as OpenAI's types want them; a known window is added."""
    cards = [ModelCard("qwen3-max", 1_700_000_000, context=262_144), ModelCard("a/b é", 1)]
    listed = json.loads(list_body(cards))
    assert check_models(listed) == []
    assert [Model.model_validate(entry).id for entry in listed["data"]] == ["qwen3-max", "a/b é"]
    assert [entry.get("context_length") for entry in listed["data"]] == [262_144, None]
    assert json.loads(list_body([])) == {"object": "list", "data": []}


def test_one_is_its_entry_in_the_list() -> None:
    """A model asked for alone looks as it does in the list."""
    card = ModelCard("qwen3-max", 5)
    one = json.loads(one_body(card))
    assert check_model(one) == []
    assert one == {"id": "qwen3-max", "object": "model", "created": 5, "owned_by": "qwen"}
    assert json.loads(list_body([card]))["data"] == [one]
