"""How the bridge stands, as one JSON object."""

from __future__ import annotations

import json
from dataclasses import replace

from qwen_bridge.observe.status import BY_ITSELF, STORE_DOWN
from tests.observe.standing import RESTING, STANDING, shown


def test_it_is_json_and_says_where_to_point_a_client() -> None:
    """Everything in it can be written as JSON."""
    status = json.loads(json.dumps(shown()))
    assert status["base_url"] == "http://127.0.0.1:8080/v1"
    assert status["uptime"] == 3_700
    assert (status["active"], status["waiting"]) == (2, 3)
    assert status["store"] == {"kind": "sqlite", "up": True, "answers": 120, "chats": 7}
    assert status["turns"][0]["outcome"] == "qwen_timeout"


def test_one_session_that_is_well_is_enough() -> None:
    """The bridge is ready while some session can be asked; a store that is down is told at once."""
    assert shown()["ready"]
    tired = shown(replace(STANDING, accounts=(RESTING,)))
    assert not tired["ready"]
    assert [problem["code"] for problem in tired["problems"]] == ["qwen_challenge"]
    down = shown(replace(STANDING, store=None))
    assert [problem["code"] for problem in down["problems"]] == [STORE_DOWN]
    assert down["store"]["up"] is False


def test_faults_come_with_what_to_do() -> None:
    """What the bridge dealt with by itself asks nothing of the reader."""
    advice = {fault["code"]: fault["advice"] for fault in shown()["faults"]}
    assert "idle_timeout" in advice["qwen_timeout"]
    assert advice["qwen_connection_lost"] == BY_ITSELF


def test_a_model_that_no_list_names_is_not_shown() -> None:
    """It may be a word of the client's."""
    assert {turn["model"] for turn in shown()["turns"]} == {"qwen3-max"}
