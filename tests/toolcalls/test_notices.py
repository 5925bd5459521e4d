from __future__ import annotations

import pytest

from qwen_bridge.toolcalls import notices
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


def test_the_model_is_told_and_asked() -> None:
    """The next message says what did not run, and one repetition asks for the whole call, never for the rest."""
    assert "write_file" in notices.withheld_before(["write_file"])
    assert "NOT run" in notices.withheld_before([])
    assert "one complete call" in notices.ask_again("put", Reason.CUT_OFF)
    assert "tool call to put that was cut off and was not run" in notices.ask_again("put", Reason.CUT_OFF)
    assert "last tool call to put was cut off and was not run" in notices.ask_again("put", Reason.CUT_OFF, above=True)
    assert "continue" not in notices.ask_again("", None)
    assert "tools described before" in notices.ask_again("put", Reason.UNKNOWN_TOOL)
    assert "the tool put" in notices.ask_for_call("put")
    assert "one of the tools" in notices.ask_for_call(None)


def test_an_unknown_key_is_told_to_reader_and_model() -> None:
    """The sentence names the parameters, the next message repeats them, and the one repetition asks without them."""
    told = notices.not_run("shell", Reason.UNKNOWN_KEY, ["dry_run", "<x>"])
    assert told == "(The call to shell gives a parameter that the tool does not have (dry_run) and was not run.)"
    assert notices.without_not_run(f"Well.\n\n{told}") == ("Well.", ["shell (which does not have dry_run)"])
    assert "shell (which does not have dry_run)" in notices.withheld_before(["shell (which does not have dry_run)"])
    assert "(dry_run)" in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["dry_run"])
    assert "no others" in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["dry_run"])
    assert "<" not in notices.ask_again("shell", Reason.UNKNOWN_KEY, ["<x>"])
