"""The client's own channel for tools, as one report describes it."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_bridge.simulator.local_tools import LocalCall, are_calls, read_declared, scripted
from qwen_bridge.simulator.refusals import Refused
from tests.harness.qwen_browser import FEATURES, frames
from tests.simulator.test_completions import say, service

TOOL = {"description": "Read.", "input_schema": {"type": "object"}}
FEATURE = {**FEATURES, "local_mcp": {"client": {"read_file": TOOL}}}
CALL = {"client": [{"tool_name": "read_file", "params": {"path": "a"}}]}


def called(body: bytes) -> list[Any]:
    deltas = [frame["choices"][0]["delta"] for frame in frames(body) if "choices" in frame]
    return [delta["extra"]["local_mcp"] for delta in deltas if delta.get("phase") == "local_tool"]


def test_a_declared_tool_is_called_in_a_frame_of_its_own() -> None:
    """The answer's text holds nothing of it, and the ledger says what was declared."""
    here = service()
    body = say(here, 'call tool read_file with {"path": "a"}', feature_config=FEATURE)
    assert called(body) == [CALL]
    assert b"tool_call" not in body
    (turn,) = here.ledger.to_json()["turns"]
    assert (turn["answer"], turn["local_tools"]) == ("", ["read_file"])


def test_a_tool_that_is_not_declared_is_called_in_the_text() -> None:
    """As without the channel."""
    here = service()
    assert called(say(here, "call tool other", feature_config=FEATURE)) == []
    assert "<tool_call>" in here.ledger.turns[0].answer
    say(here, "hello")
    assert ["local_tools" in turn for turn in here.ledger.to_json()["turns"]] == [True, False]


def test_a_script_says_what_is_called_behind_which_text() -> None:
    """One of another server is a tool of the site's."""
    here = service()
    here.queue(
        [{"text": "Look.", "calls": [{"tool_name": "read_file", "params": {"path": "a"}}, {"tool_name": "own"}]}]
    )
    body = say(here, "hello", feature_config=FEATURE)
    assert called(body) == [CALL, {"site": [{"tool_name": "own", "params": {}}]}]
    assert here.ledger.to_json()["turns"][0]["answer"] == "Look."


@pytest.mark.parametrize(
    "declared",
    [[], {"client": []}, {"client": {"a": {}}}, {"client": {"a": {"description": "x"}}},
     {"client": {"a": {"input_schema": {}}}}],
)  # fmt: skip
def test_another_shape_is_refused(declared: Any) -> None:
    """With the words for a body that is wrong."""
    with pytest.raises(Refused, match="something_wrong"):
        read_declared({"local_mcp": declared}, served=True)


def test_a_service_may_not_offer_it() -> None:
    """Then it fails as it was reported for guests; nothing declared is nothing refused."""
    with pytest.raises(Refused, match="internal_error"):
        read_declared(FEATURE, served=False)
    assert read_declared(FEATURES, served=False) == {}


def test_calls_of_a_script() -> None:
    """A list of names and parameters, and nothing else."""
    assert are_calls([{"tool_name": "a"}, {"tool_name": "b", "params": {}}])
    others: list[Any] = ["a", [1], [{}], [{"tool_name": "a", "params": 1}], [{"tool_name": "a", "more": 1}]]
    for wrong in others:
        assert not are_calls(wrong)
    assert scripted([{"tool_name": "a"}], {"a": "mine"}) == (LocalCall("mine", "a", {}),)
