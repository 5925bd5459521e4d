from __future__ import annotations

import pytest

from qwen_bridge.toolcalls import notices
from qwen_bridge.toolcalls.notices import NotRun
from qwen_bridge.toolcalls.policy import Reason


@pytest.mark.parametrize("reason", Reason)
def test_the_sentence_is_plain_and_holds_no_markup(reason: Reason) -> None:
    """It names the tool, says that it did not run, and could not be taken for a call."""
    sentence = notices.not_run("write_file", reason)
    assert sentence.startswith("(The call to write_file ")
    assert sentence.endswith("was not run.)")
    assert not set(sentence) & set("<>{}`")


def test_a_nameless_call_is_a_tool_call() -> None:
    """Where no tool was named none is invented."""
    assert notices.not_run("", Reason.NO_NAME) == "(A tool call names no tool and was not run.)"


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("about", ["", "dry_run, mode"])
def test_the_next_message_says_why_a_call_did_not_run(reason: Reason, about: str) -> None:
    """In the very words that the reader was told, whatever the reason was."""
    text, told = notices.without_not_run(f"Well.\n\n{notices.not_run('put', reason, about.split(', '))}")
    assert (text, told) == ("Well.", [NotRun("put", reason, about)])
    why = f"{reason.value} ({about})" if about else reason.value
    assert notices.withheld_before(told) == f"Your last call to put {why} and was NOT run. Nothing was changed by it."


def test_calls_that_did_not_run_for_one_reason_share_a_sentence() -> None:
    """Each other reason has its own, and a call without a name is one to a tool."""
    told = [NotRun("put", Reason.CUT_OFF), NotRun("", Reason.NO_NAME), NotRun("get", Reason.CUT_OFF)]
    assert notices.withheld_before(told) == (
        "Your last call to put, get was cut off and was NOT run. "
        "Your last call to a tool names no tool and was NOT run. Nothing was changed by it."
    )


def test_the_model_is_asked_once_more() -> None:
    """One repetition asks for the whole call, never for the rest."""
    assert "one complete call" in notices.ask_again("put", Reason.CUT_OFF)
    assert "tool call to put that was cut off and was not run" in notices.ask_again("put", Reason.CUT_OFF)
    assert "last tool call to put was cut off and was not run" in notices.ask_again("put", Reason.CUT_OFF, above=True)
    assert "continue" not in notices.ask_again("", None)
    assert "tools described before" in notices.ask_again("put", Reason.UNKNOWN_TOOL)
    assert "the tool put" in notices.ask_for_call("put")
    assert "one of the tools" in notices.ask_for_call(None)


def test_an_unknown_key_is_told_to_reader_and_model() -> None:
    """The sentence names the parameters, and the one repetition asks without them."""
    told = notices.not_run("shell", Reason.UNKNOWN_KEY, ["dry_run", "<x>"])
    assert told == "(The call to shell gives a parameter that the tool does not have (dry_run) and was not run.)"
    assert "(dry_run)" in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["dry_run"])
    assert "no others" in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["dry_run"])
    assert "<" not in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["<x>"])
