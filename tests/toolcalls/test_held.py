from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.held import Effort, Held, Settled
from qwen_bridge.toolcalls.policy import Reason
from tests.toolcalls.bench import bare, catalogue, hermes, qwen_xml, tagged

RUN = ("shell", {"command": "ls"})


def held(text: str, limit: int = 10_000, *, fenced: bool = False) -> Held:
    return Held(text, catalogue(), limit, Effort(), fenced=fenced)


@pytest.mark.parametrize("text", [hermes(*RUN), qwen_xml(*RUN), qwen_xml(*RUN, wrapped=False), tagged(*RUN)])
def test_a_call_settles_with_its_last_character(text: str) -> None:
    """Not one character earlier, however it comes in."""
    one = held(text)
    settled: Settled | None = None
    for at, character in enumerate(text):
        assert settled is None, text[:at]
        settled = one.feed(character)
    assert settled is not None
    assert settled.reading is not None
    assert (settled.text, settled.rest) == (text, "")


def test_what_follows_is_given_back() -> None:
    """The text behind the call is the rest."""
    settled = held(hermes(*RUN)).feed(f"{hermes(*RUN)} and more")
    assert settled is not None
    assert settled.rest == " and more"


def test_json_without_a_wrapper_waits_for_what_follows_it() -> None:
    """Only then it is certain that it stands alone on its line."""
    one = held(bare(*RUN))
    assert one.feed(bare(*RUN)) is None
    settled = one.feed("\n")
    assert settled is not None
    assert settled.rest == "\n"


def test_a_flawed_call_waits_for_the_end() -> None:
    """What could still change is read again when all is there."""
    one = held("<tool_call>")
    assert one.feed("<tool_call>\n<function=shell>\n<parameter=command>\nls\n</function>\n") is None
    assert one.finish().reading is not None


def test_the_limit_holds() -> None:
    """A call that grows beyond it settles as too long and keeps nothing."""
    settled = held("<tool_call>", 20).feed("<tool_call>" + "x" * 20)
    assert settled is not None
    assert (settled.unread, settled.text, settled.rest) == (Reason.TOO_LONG, "", "")


def test_a_fence_waits_for_the_end() -> None:
    """Whether it is the last thing shows only there."""
    one = held("```json\n", fenced=True)
    assert one.feed(f"```json\n{bare(*RUN)}\n```") is None
    reading = one.finish().reading
    assert reading is not None
    assert reading.fenced


def test_a_call_in_entities_is_read_only_if_all_of_it_is() -> None:
    """A raw bracket inside means that it was escaped on purpose."""
    whole = "&lt;shell&gt;\n&lt;command&gt;ls &amp;&amp; cat&lt;/command&gt;\n&lt;/shell&gt;"
    reading = held(whole).feed(whole)
    assert reading is not None
    assert reading.reading is not None
    assert reading.reading.calls[0].arguments == {"command": "ls && cat"}
    mixed = held("&lt;shell&gt;")
    mixed.feed("&lt;shell&gt;<b>&lt;/shell&gt;")
    assert mixed.finish().reading is None


def test_many_blanks_before_a_bracket_do_not_depend_on_the_cuts() -> None:
    """A closer with more blanks than its pattern allows is no closer, in one piece or in many."""
    text = f"{bare(*RUN)}{' ' * 500}\n"
    one, other = held(text), held(text)
    assert (one.feed(text) is None) == (all(other.feed(character) is None for character in text))
