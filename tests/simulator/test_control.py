from __future__ import annotations

import json
from typing import Any

import pytest

from qwen_bridge.simulator.control import control
from qwen_bridge.simulator.faults import FAULTS
from qwen_bridge.simulator.world import World
from tests.harness.qwen_browser import request, world


def ask(here: World, method: str, name: str, value: object = None) -> tuple[int, Any]:
    reply = control(here, request(method, f"/_simulator/{name}", value, headers={}))
    return reply.status, json.loads(reply.body)


def test_a_script_is_queued() -> None:
    """The answer says how many answers wait."""
    here = world()
    assert ask(here, "POST", "script", {"answers": [{"text": "x"}, {}]}) == (200, {"queued": 2})
    assert ask(here, "POST", "script", {"answers": []}) == (200, {"queued": 2})


@pytest.mark.parametrize("script", [b"{", {"answers": [{"fault": "nope"}]}, {"answers": [{"colour": 1}]}])
def test_a_wrong_script_is_refused(script: object) -> None:
    """Nothing of it is queued, and the answer says what is wrong."""
    here = world()
    status, told = ask(here, "POST", "script", script)
    assert status == 400
    assert any(word in told["error"] for word in ("nope", "colour", "JSON"))
    assert here.peek() is None


def test_the_ledger_faults_and_chats_can_be_read() -> None:
    """Each is JSON in the form of its contract."""
    here = world()
    assert ask(here, "GET", "ledger") == (200, {"turns": [], "refused": []})
    assert ask(here, "GET", "faults") == (200, list(FAULTS))
    assert ask(here, "GET", "faults?describe=1")[1]["gzip"] == FAULTS["gzip"].says
    assert ask(here, "GET", "chats") == (200, [])


def test_a_reset_forgets() -> None:
    """The script is gone after a reset."""
    here = world()
    here.queue([{}])
    assert ask(here, "POST", "reset")[0] == 200
    assert here.peek() is None


def test_an_unknown_control_is_404() -> None:
    """A mistyped path says so."""
    assert ask(world(), "GET", "script")[0] == 404


def test_an_account_can_be_punished() -> None:
    """Until it passes the check; what it passed before counts no more."""
    here = world()
    here.passed.add("old")
    assert ask(here, "POST", "punish", {"account": "anna"}) == (200, {"punished": ["anna"]})
    assert here.passed == set()
    assert ask(here, "POST", "punish", {})[0] == 400
