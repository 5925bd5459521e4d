from __future__ import annotations

from qwen_bridge.toolcalls.ruins import named_in, ruin_end, wrapper_closer, wrapper_end
from tests.toolcalls.bench import catalogue


def test_the_name_in_a_ruin_is_for_the_sentence_only() -> None:
    """The first name that the text mentions is given, declared or not, and none is invented."""
    assert named_in('{"name": "Shell", "arguments": {oops', 0, catalogue()) == "shell"
    assert named_in('{"name": "gone"', 0, catalogue()) == "gone"
    assert named_in("nothing here", 0, catalogue()) == ""


def test_a_ruin_ends_behind_its_closers() -> None:
    """What cannot be read is taken to its closers, or to the end of the text."""
    text = "oops</function>\n</tool_call> more"
    assert text[ruin_end(text, 0, frozenset()) :] == "more"
    assert text[wrapper_end(text, 0) :] == " more"
    assert ruin_end("oops", 0, frozenset()) == wrapper_end("oops", 0) == 4
    assert wrapper_closer("oops", 0) is None
