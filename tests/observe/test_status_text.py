"""The status in a terminal."""

from __future__ import annotations

from dataclasses import replace

from qwen_bridge.observe.status_text import text
from tests.observe.standing import RESTING, STANDING, WELL, shown


def test_lines() -> None:
    """State, where to point a client, sessions, requests and faults, each on a line of its own."""
    lines = text(shown()).splitlines()
    assert lines[0] == "qwen-bridge 1.2.3 is ready, up 1 h 1 min"
    assert "  base URL       http://127.0.0.1:8080/v1" in lines
    assert "  conversations  1 hit, 1 miss, 1 new, 0 reset; 50 % went on in their chat" in lines
    assert "  session        default 104e8e62: ready, ends in 1 d 1 h" in lines
    assert "  session        second aaaaaaaa: qwen_challenge, rests 15 min, from your browser, seen 2 min ago" in lines
    assert any(line.startswith("  50 s ago  hit depth=7/9 saved=4321  complete  4.00 s  req_1") for line in lines)
    assert any(line.startswith("  qwen_timeout ×1, 0 s ago: Qwen took longer") for line in lines)


def test_what_is_wrong_stands_at_the_top() -> None:
    """With what to do."""
    lines = text(shown(replace(STANDING, accounts=(RESTING,), store=None))).splitlines()
    assert lines[0].startswith("qwen-bridge 1.2.3 is not ready")
    assert lines[1].startswith("  ! store_unavailable: ")
    assert lines[2].startswith("  ! qwen_challenge: ")


def test_nothing_that_a_terminal_obeys() -> None:
    """Whatever a name holds."""
    assert "\x1b" not in text(shown(replace(STANDING, accounts=(replace(WELL, name="\x1b[31mred"),))))


def test_a_session_that_is_still_to_be_learned() -> None:
    """The bridge waits for the browser, not for its owner's copying."""
    waiting = replace(WELL, problem="missing_qwen_credentials", expires_at=None, learned=True)
    lines = text(shown(replace(STANDING, accounts=(waiting,)))).splitlines()
    assert "  session        default 104e8e62: missing_qwen_credentials, waits for your browser" in lines
