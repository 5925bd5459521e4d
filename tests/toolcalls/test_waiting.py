from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.policy import RELEASE, Decision, Reason, Verdict
from qwen_bridge.toolcalls.reading import Call
from qwen_bridge.toolcalls.waiting import Judged, Waiting
from tests.toolcalls.bench import TOOLS, catalogue

CATALOGUE = catalogue([*TOOLS, {"name": "free"}])
WITHHELD = Decision(Verdict.WITHHELD, Reason.CUT_OFF)


def judged(name: str, *flaws: Flaw, within: bool = False, decision: Decision = RELEASE, **arguments: str) -> Judged:
    return Judged(Call(name, CATALOGUE.tools[name], arguments, frozenset(flaws)), decision, "hermes_json", within)


def waiting(*calls: Judged) -> Waiting:
    found = Waiting(CATALOGUE)
    for call in calls:
        found.add(call)
    return found


def run(*calls: Judged) -> list[bool]:
    return [call.released for call in calls]


def test_harmless_calls_leave_at_once_and_destructive_ones_wait() -> None:
    """With a call that waits, everything behind it waits; at the end all leave in their order."""
    first, shell, last = judged("read_file", path="a"), judged("shell", command="ls"), judged("read_file", path="b")
    assert waiting(first).take_ready() == [first]
    one = waiting(shell, last)
    assert (one.take_ready(), len(one)) == ([], 2)
    assert (one.take_all(), len(one)) == ([shell, last], 0)


@pytest.mark.parametrize("call", [judged("read_file", Flaw.VALUE_UNCLOSED), judged("read_file", within=True)])
def test_a_harmless_call_in_doubt_waits(call: Judged) -> None:
    """Its value may go on, or it may stand in a broken call."""
    assert waiting(call).take_ready() == []


@pytest.mark.parametrize(
    ("word", "left"),
    [("function", [False, False]), ("put", [True, False]), ("zeta", [False, True]), ("cwd", [True, True])],
)
def test_a_closer_doubts_what_it_may_close(word: str, left: list[bool]) -> None:
    """One of calls closes any; a tool's or an argument's name its own call; another tool's parameter none."""
    free, put = judged("free", zeta="1"), judged("put", path="a")
    assert waiting(free, put).doubt(frozenset({word})) is (False in left)
    assert run(free, put) == left


def test_behind_a_withheld_call_closers_of_any_tool_count() -> None:
    """What follows it may be a part of its body; what stands before it may not."""
    before, cut, behind = judged("put", path="a"), judged("shell", decision=WITHHELD), judged("put", path="b")
    assert waiting(before, cut, behind).doubt(frozenset({"limit"}))
    assert run(before, cut, behind) == [True, False, False]


def test_a_call_that_becomes_doubtful_takes_the_next_with_it() -> None:
    """In the same moment, also where it is the very first."""
    first, second = judged("put", path="a"), judged("shell", command="ls")
    assert waiting(first, second).doubt(frozenset({"path"}))
    assert run(first, second) == [False, False]


def test_closers_directly_behind_a_call_count_where_it_lacked_some() -> None:
    """Those of parameters alone, and only for a call whose structure has a flaw that they explain."""
    whole, loose = judged("put", path="a"), judged("put", Flaw.CLOSER_MISSING, path="a")
    one = waiting(whole, loose)
    assert not one.doubt(frozenset({"tool_call", "put"}), flawed=True)
    assert one.doubt(frozenset({"parameter"}), flawed=True)
    assert run(whole, loose) == [True, False]


def test_what_stands_within_an_opener_is_proved_by_any_closer() -> None:
    """Of a tool, a parameter or a call, also directly behind it; a wrapper's proves nothing."""
    quoted, own = judged("read_file", within=True, path="a"), judged("put", path="a")
    one = waiting(own, quoted)
    assert not one.doubt(frozenset({"tool_call"}), flawed=True)
    assert one.doubt(frozenset({"command"}), flawed=True)
    assert run(own, quoted) == [True, False]


def test_text_behind_an_unclosed_value_doubts_it() -> None:
    """It may be the value's; a call that is closed does not care."""
    unclosed, whole = judged("put", Flaw.VALUE_UNCLOSED, path="a"), judged("put", path="a")
    waiting(unclosed, whole).doubt_unclosed()
    assert run(unclosed, whole) == [False, True]


def test_a_decision_is_told_why() -> None:
    """What became doubtful could be read in more than one way."""
    put = judged("put", path="a")
    waiting(put).doubt(frozenset({"put"}))
    assert put.decision == Decision(Verdict.WITHHELD, Reason.UNCLEAR)
