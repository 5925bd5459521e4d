from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.script import Entry, ScriptError, read_script

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_a_script_becomes_entries() -> None:
    """All keys of the contract are read, and null leaves a thing to the model."""
    answer = {"text": "hi", "reasoning": "why", "chunk": 4, "pace": 40, "fault": None, "phase": None}
    assert read_script({"answers": [answer, {}]}) == [
        Entry(text="hi", reasoning="why", chunk=4, pace=40, paced=True),
        Entry(),
    ]


def test_a_bare_list_is_a_script_too() -> None:
    """In-process callers need no envelope."""
    assert read_script([{"fault": "gzip"}])[0].fault == "gzip"


def test_no_pace_and_pace_null_differ() -> None:
    """Without the key the default holds; null and 0 mean no pause."""
    absent, null, zero = read_script([{}, {"pace": None}, {"pace": 0}])
    assert (absent.paced, null.paced, zero.paced) == (False, True, True)
    assert null.pace is zero.pace is None


def test_raw_bytes_come_as_text_or_base64() -> None:
    """A body may be given as text, or as base64 where it is no text; cuts may be offsets or a name."""
    text, encoded = read_script([{"raw": "data: ü\n\n", "cut": "random:7"}, {"raw_b64": "AP8=", "cuts": [1, 2]}])
    assert (text.raw, text.cut) == ("data: ü\n\n".encode(), "random:7")
    assert (encoded.raw, encoded.cut) == (b"\x00\xff", [1, 2])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"txt": "x"}, "answers[0]: unknown key 'txt'; did you mean 'text'?"),
        ({"fault": "reset_midstream"}, "did you mean 'reset_mid_stream'?"),
        ({"fault": "zzz"}, "known are"),
        ({"fault": 3}, "answers[0].fault must be the name of a fault"),
        ({"text": 1}, "answers[0].text must be a string"),
        ({"chunk": 0}, "answers[0].chunk must be a whole number above 0"),
        ({"chunk": True}, "answers[0].chunk"),
        ({"pace": -1}, "answers[0].pace"),
        ({"pace": "fast"}, "answers[0].pace"),
        ({"pace": float("inf")}, "answers[0].pace"),
        ({"delay": float("nan")}, "answers[0].delay"),
        ({"cut": "halves"}, "answers[0].cut must be whole, byte, or random:SEED"),
        ({"cuts": ["a"]}, "answers[0].cuts"),
        ({"raw_b64": "%"}, "answers[0].raw_b64 must be base64"),
        ({"reasoning_phase": "answer"}, "answers[0].reasoning_phase"),
        ({"age": "C"}, "answers[0].age"),
        ({"on": "models"}, "answers[0].on must be completions or chats/new"),
        ({"on": "chats/new"}, "answers[0]: on chats/new needs a fault"),
        ({"on": "chats/new", "fault": "gzip"}, "answers[0]: on chats/new needs a fault"),
        ("x", "answers[0] is not an object"),
    ],
)
def test_what_is_unknown_is_named(answer: Any, words: str) -> None:
    """A mistake in a script is refused with the entry, the key, and the likely spelling."""
    with pytest.raises(ScriptError) as caught:
        read_script({"answers": [answer]})
    assert words in str(caught.value)


@pytest.mark.parametrize("script", [None, {}, {"answers": {}}, {"answers": [], "other": 1}, 3, "answers"])
def test_what_is_no_script_is_refused(script: Any) -> None:
    """The envelope is checked as well."""
    with pytest.raises(ScriptError):
        read_script(script)


@given(st.dictionaries(st.sampled_from(["text", "chunk", "pace", "fault", "cut", "cuts", "raw", "size"]), json_values))
def test_a_script_is_read_or_refused(answer: dict[str, Any]) -> None:
    """Any JSON gives entries or a `ScriptError`, never another exception."""
    try:
        entries = read_script([answer])
    except ScriptError:
        return
    assert len(entries) == 1
