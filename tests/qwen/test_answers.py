"""The two plain JSON answers, as values or as the error they are."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from qwen_bridge.errors import (
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ChatGone,
    ExpiredCredentials,
    QuotaExceeded,
)
from qwen_bridge.qwen.answers import QwenModel, chat_id_of, models_of, running_of
from tests.harness.shared import QWEN, needs_shared


def listed(**meta: Any) -> bytes:
    """A list of one model with these abilities."""
    return json.dumps({"data": [{"id": "m", "name": "M", "info": {"meta": meta, "is_active": True}}]}).encode()


def test_the_id_of_a_new_chat() -> None:
    """The id lies in the data of the second envelope."""
    assert chat_id_of(b'{"success":true,"request_id":"r","data":{"id":"c1"}}') == "c1"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"success":false,"data":{"code":"RateLimited","num":2}}', QuotaExceeded),
        (b'{"success":false,"data":{"id":"c1","code":"Unauthorized"}}', ExpiredCredentials),
        (b"<html>_____tmd_____</html>", ChallengeRequired),
        (b'{"success":true,"data":{"id":""}}', AnswerUnreadable),
        (b"{}", BridgeError),
        (b"", BridgeError),
    ],
)
def test_any_other_answer_is_an_error(body: bytes, error: type[BridgeError]) -> None:
    """A refusal, a page or nothing raises what the faults say of it, for both calls."""
    with pytest.raises(error):
        chat_id_of(body)
    with pytest.raises(error):
        models_of(body)


def test_status_and_headers_help_to_tell() -> None:
    """The caller may hand over what it has of the answer."""
    with pytest.raises(ExpiredCredentials):
        chat_id_of(b"{}", 200, [("x-actual-status-code", "401")])


def test_a_model_with_all_its_facts() -> None:
    """Lengths are tokens, and a thinking ability is a level."""
    meta = {"max_context_length": 1000, "max_generation_length": 100, "abilities": {"thinking": 1, "vision": 1}}
    assert models_of(listed(**meta)) == (QwenModel("m", "M", 1000, 100, thinks=True, can_skip_thinking=True),)


@pytest.mark.parametrize(
    ("meta", "thinks", "skips"),
    [
        ({}, False, True),
        ({"capabilities": {"thinking": True}}, True, True),
        ({"abilities": {"thinking": 0}}, False, True),
        ({"abilities": {"thinking": 4}}, True, False),
        ({"abilities": {"thinking": 1}, "think_skip": {"enable": False}}, True, False),
        ({"abilities": {"thinking": 1}, "think_skip": {"enable": True}}, True, True),
        ({"capabilities": None, "abilities": None, "think_skip": None}, False, True),
    ],
)
def test_thinking_and_leaving_it_out(meta: dict[str, Any], thinks: bool, skips: bool) -> None:
    """Some models think, and some of them cannot be told not to."""
    (model,) = models_of(listed(**meta))
    assert (model.thinks, model.can_skip_thinking) == (thinks, skips)


def test_the_summary_length_stands_in() -> None:
    """Models that think name the length of their answer differently."""
    (model,) = models_of(listed(max_summary_generation_length=7))
    assert (model.context, model.max_output) == (None, 7)


def test_inactive_models_are_left_out() -> None:
    """A model that is switched off is not offered; one that does not say is."""
    entries = [{"id": "a", "info": {"is_active": False}}, {"id": "b", "info": {}}, {"id": "c"}]
    assert [model.id for model in models_of(json.dumps({"data": entries}).encode())] == ["b", "c"]
    assert models_of(b'{"data":[{"id":"c"}]}')[0].name == "c"


@needs_shared
def test_the_captured_answers() -> None:
    """The recorded list and the recorded new chat are read."""
    models = {model.id: model for model in models_of((QWEN / "03_chriscole_models_response_2025-10.json").read_bytes())}
    assert models["qwen3-max"] == QwenModel("qwen3-max", "Qwen3-Max", 262144, 32768, False, True)
    assert models["qwen3-vl-plus"].thinks
    assert chat_id_of((QWEN / "04_chriscole_chats_new_response.json").read_bytes()).startswith("0bb333d4")


def stored(current: str | None, **nodes: dict[str, Any]) -> bytes:
    """A stored chat, as far as it matters."""
    return orjson.dumps({"success": True, "data": {"chat": {"history": {"messages": nodes, "currentId": current}}}})


ASSISTANT = {"role": "assistant", "done": True}


@pytest.mark.parametrize(
    ("body", "running"),
    [
        (stored("a", a={"role": "assistant", "done": False}), "a"),
        (stored("a", a={"role": "assistant"}), "a"),
        (stored("a", a=ASSISTANT, b={"role": "assistant", "done": False}), ""),
        (stored("a", a={"role": "user", "done": False}), ""),
        (stored("gone", a=ASSISTANT), ""),
        (stored(None), ""),
    ],
)
def test_the_answer_being_written_is_the_current_one_that_is_not_done(body: bytes, running: str) -> None:
    """A stored chat names its newest answer, and says whether it is done."""
    assert running_of(body) == running


def test_a_chat_that_is_none_is_classified() -> None:
    """A refusal is raised as what it means."""
    with pytest.raises(ChatGone):
        running_of(b'{"success":false,"data":{"code":"Not_Found","details":"This chat has been deleted."}}')
