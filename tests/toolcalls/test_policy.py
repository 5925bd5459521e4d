from __future__ import annotations

from dataclasses import replace

import pytest

from qwen_bridge.toolcalls.catalogue import HARMLESS
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.policy import IN_VALUES, TABLE, TOGETHER, Decision, Ending, Reason, Verdict, decide
from qwen_bridge.toolcalls.reading import Call
from tests.toolcalls.bench import XML_TOOLS, catalogue

TOOLS = {**catalogue().tools, **catalogue(XML_TOOLS).tools}


def call(name: str, *flaws: Flaw) -> Call:
    return Call(name, TOOLS.get(name), {}, frozenset(flaws))


@pytest.mark.parametrize("ending", Ending)
def test_a_call_without_a_flaw_is_released(ending: Ending) -> None:
    """A whole call runs whatever came behind it."""
    assert decide(call("shell"), ending).verdict is Verdict.RELEASED


@pytest.mark.parametrize("flaw", Flaw)
def test_a_harmless_tool_is_never_judged_harder(flaw: Flaw) -> None:
    """What a destructive tool may do a harmless one may do, after a stop and after a cut."""
    row = TABLE[flaw]
    assert row.harmless_stop >= row.destructive_stop
    assert row.harmless_cut >= row.destructive_cut


@pytest.mark.parametrize("flaw", Flaw)
def test_a_cut_is_never_judged_softer(flaw: Flaw) -> None:
    """What is withheld after a natural stop is withheld after a cut."""
    row = TABLE[flaw]
    assert row.harmless_stop >= row.harmless_cut
    assert row.destructive_stop >= row.destructive_cut


@pytest.mark.parametrize("ending", [Ending.STOP, Ending.CUT, Ending.FOLLOWED])
@pytest.mark.parametrize("flaw", [Flaw.AMBIGUOUS, Flaw.VALUE_OPEN, Flaw.UNDECLARED, Flaw.MALFORMED, Flaw.JUNK])
def test_what_is_never_run(flaw: Flaw, ending: Ending) -> None:
    """Two readings, an open value, an unknown tool, nonsense: not even a harmless tool runs on these."""
    assert decide(call("read_file", flaw), ending).verdict is Verdict.WITHHELD


def test_a_missing_closer_is_mended_after_a_natural_stop_only() -> None:
    """A destructive call whose closers were cut off does not run."""
    cut = decide(call("shell", Flaw.CLOSER_MISSING), Ending.CUT)
    assert decide(call("shell", Flaw.CLOSER_MISSING), Ending.STOP).verdict is Verdict.RELEASED
    assert (cut.verdict, cut.reason) == (Verdict.WITHHELD, Reason.CUT_OFF)
    assert decide(call("read_file", Flaw.CLOSER_MISSING), Ending.CUT).verdict is Verdict.RELEASED


def test_a_body_without_a_closed_call_is_withheld_unless_text_followed() -> None:
    """A body that ends the answer may go on; one that more text followed has ended."""
    flaws = (Flaw.CLOSER_MISSING, Flaw.BODY_LAST)
    assert decide(call("put", *flaws), Ending.STOP).verdict is Verdict.WITHHELD
    assert decide(call("put", *flaws), Ending.FOLLOWED).verdict is Verdict.RELEASED


def test_a_call_that_more_parameters_may_have_followed_is_withheld_unless_text_did() -> None:
    """Cut between two parameters, a destructive call would run without the second; a harmless one may."""
    flaws = (Flaw.CLOSER_MISSING, Flaw.MORE_POSSIBLE)
    assert decide(call("shell", *flaws), Ending.STOP).verdict is Verdict.WITHHELD
    assert decide(call("shell", *flaws), Ending.FOLLOWED).verdict is Verdict.RELEASED
    assert decide(call("read_file", *flaws), Ending.STOP).verdict is Verdict.RELEASED


@pytest.mark.parametrize("pair", TOGETHER)
def test_two_small_flaws_make_a_cut(pair: frozenset[Flaw]) -> None:
    """A destructive call may lack one thing, not two."""
    assert decide(call("shell", *pair), Ending.STOP).verdict is Verdict.WITHHELD


def test_a_missing_argument_alone_is_the_clients_to_refuse() -> None:
    """A whole call without a required argument is passed on."""
    assert decide(call("shell", Flaw.INCOMPLETE), Ending.STOP).verdict is Verdict.RELEASED


def test_free_text_for_a_person_may_be_closed() -> None:
    """The last words of a completion are shown after a natural stop, and not after a cut."""
    completion = replace(call("attempt_completion", Flaw.VALUE_OPEN), arguments={"result": "It is do"})
    assert decide(completion, Ending.STOP).verdict is Verdict.RELEASED
    assert decide(completion, Ending.CUT).verdict is Verdict.WITHHELD
    assert decide(replace(completion, arguments={"result": " "}), Ending.STOP).verdict is Verdict.WITHHELD


def test_no_harmless_name_writes_or_runs() -> None:
    """The short list holds nothing that changes anything."""
    words = {
        "write",
        "edit",
        "delete",
        "remove",
        "run",
        "exec",
        "execute",
        "bash",
        "shell",
        "apply",
        "replace",
        "insert",
    }
    assert not [name for name in HARMLESS if words & set(name.split("_"))]


@pytest.mark.parametrize("flaw", [flaw for flaw in Flaw if flaw in IN_VALUES])
@pytest.mark.parametrize("ending", Ending)
def test_two_readings_of_a_value_are_none(flaw: Flaw, ending: Ending) -> None:
    """A destructive call does not run on them; a harmless one, and one that an XML client reads itself, does."""
    assert decide(call("shell", flaw), ending).verdict is Verdict.WITHHELD
    assert decide(call("shell", flaw), ending, xml=True).verdict is Verdict.RELEASED
    assert decide(call("read_file", flaw), ending).verdict is Verdict.RELEASED


def test_an_unknown_key_is_named() -> None:
    """The decision says which parameters the tool does not have."""
    dry = replace(call("shell", Flaw.KEY_UNKNOWN), arguments={"command": "rm x", "dry_run": "true"})
    assert decide(dry, Ending.STOP) == Decision(Verdict.WITHHELD, Reason.UNKNOWN_KEY, ("dry_run",))
