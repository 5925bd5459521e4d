from __future__ import annotations

import pytest

from qwen_bridge.simulator.delivery import Ending
from qwen_bridge.simulator.faults import FAULTS
from qwen_bridge.simulator.requests import Reply
from qwen_bridge.simulator.server import Simulator
from qwen_bridge.simulator.strikes import COMPLETIONS, NEW_CHAT, Break, strike, strike_at_head, write_refusal
from tests.harness.qwen_browser import Browser, completion, request, world

EARLY = [name for name, fault in FAULTS.items() if fault.early and not fault.at_head]


@pytest.mark.parametrize("name", EARLY)
def test_early_faults_strike_whatever_the_request_is(name: str) -> None:
    """A gateway's page, the firewall's, or a broken wire comes once, and is written down."""
    here = world()
    here.queue([{"fault": name}])
    assert strike_at_head(here, request("POST", COMPLETIONS)) is None
    struck = strike(here, request("POST", COMPLETIONS, completion("c", "hi", "a")))
    assert isinstance(struck, Reply | Break)
    assert strike(here, request("POST", COMPLETIONS)) is None
    (line,) = here.ledger.refused
    assert (line.reason, line.message, line.chat_id, line.parent_id) == (name, "hi", "c", "a")


def test_a_refused_connection_strikes_at_the_head_only() -> None:
    """`refuse` does not wait for the body."""
    here = world()
    here.queue([{"fault": "refuse"}])
    assert strike(here, request("POST", COMPLETIONS)) is None
    assert strike_at_head(here, request("POST", NEW_CHAT)) is None
    assert strike_at_head(here, request("POST", COMPLETIONS)) == Break(Ending.RESET)


def test_other_faults_and_other_requests_are_left_alone() -> None:
    """What the rules must come before, and what is no completion, is not struck."""
    here = world()
    here.queue([{"fault": "chat_in_progress"}, {"fault": "http_500"}])
    assert strike(here, request("POST", COMPLETIONS)) is None
    here.take_entry()
    assert strike(here, request("GET", COMPLETIONS)) is None
    assert strike(here, request("POST", "/api/v2/files/parse")) is None
    assert strike(here, request("POST", COMPLETIONS)) is not None


async def test_a_new_chat_can_be_struck(simulator: Simulator, browser: Browser) -> None:
    """Any refusal may meet the next new chat; the one after is made."""
    simulator.script([{"on": "chats/new", "fault": "rate_limited_v2"}])
    answer = await browser.http.post(NEW_CHAT)
    assert answer.json()["data"]["code"] == "RateLimited"
    assert await browser.new_chat()
    assert [(line.path, line.reason) for line in simulator.ledger.refused] == [(NEW_CHAT, "rate_limited_v2")]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[" * 100_000, b'{"messages": [{"content": 5}], "chat_id": {}}', b"\xff"]
)
def test_a_refusal_of_any_body_can_be_written(body: bytes) -> None:
    """What cannot be read is left empty."""
    here = world()
    write_refusal(here, request("POST", "/x", body), "why", "where")
    (line,) = here.ledger.refused
    assert (line.path, line.reason, line.detail, line.message) == ("/x", "why", "where", "")
    assert (line.request_bytes, line.chat_id, line.parent_id) == (len(body), None, None)
