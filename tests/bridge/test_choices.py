"""Settings as exchanges read them."""

from __future__ import annotations

from qwen_bridge.bridge.choices import manner, terms
from qwen_bridge.settings.settings import Settings


def test_times_and_attempts_reach_the_exchange() -> None:
    """Each choice of the user stands where the exchange looks; the jitter is between 0 and 1."""
    made = terms(Settings.load({"attempts": 3, "patience": 7, "idle_timeout": 11, "keepalive": 13}))
    assert (made.policy.attempts, made.policy.patience, made.idle, made.keepalive) == (3, 7.0, 11.0, 13.0)
    assert all(0 <= made.jitter() < 1 for _ in range(100))


def test_the_manner_of_asking_is_the_users() -> None:
    """Where Qwen is, how long a message may be, and whether a file may be sent."""
    made = manner(Settings.load({"upstream": "http://127.0.0.1:9", "message_limit": 50_000, "uploads": "off"}))
    assert (made.origin, made.message_limit, made.uploads) == ("http://127.0.0.1:9", 50_000, False)
    assert manner(Settings.load()).uploads


def test_what_the_user_chose_for_tool_calls_reaches_their_reading() -> None:
    """Harmless tools come beside the known ones; the rest is as it was set."""
    chosen = {"harmless_tools": "Peek", "tool_aliases": "sh=bash", "text_after_call": "on", "several_xml_calls": "off"}
    made = manner(Settings.load(chosen)).tool_settings
    assert {"Peek", "read_file"} <= made.harmless
    assert made.aliases == {"sh": "bash"}
    assert (made.text_after_call, made.several_xml_calls) == (True, False)
