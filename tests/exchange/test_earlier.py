"""Old answers as the model sees them again."""

from __future__ import annotations

import pytest

from qwen_bridge.exchange.earlier import EarlierAnswers
from qwen_bridge.messages import Message, TextPart, ToolSpec
from qwen_bridge.toolcalls.notices import NotRun, not_run
from qwen_bridge.toolcalls.policy import Reason

PUT = ToolSpec("put", "", {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})
CALL = '<tool_call>\n{"name": "put", "arguments": {"path": "a"}}\n</tool_call>'
CODER = "<tool_call>\n<function=put>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>"


def seen(text: str, *, role: str = "assistant", tools: tuple[ToolSpec, ...] = (PUT,)) -> tuple[str, list[NotRun]]:
    message = Message(role, (TextPart(text),))  # type: ignore[arg-type]
    said, withheld = EarlierAnswers(tools, ()).as_said(message)
    return said.text, withheld


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("name", ["put", "mcp__fs__put", ""])
def test_the_bridges_own_sentence_is_taken_out_and_told(reason: Reason, name: str) -> None:
    """Whatever the reason was, the words that remain are the model's, and tool and reason are known."""
    assert seen(f"I will.\n\n{not_run(name, reason)}") == ("I will.", [NotRun(name, reason)])
    assert seen(not_run(name, reason)) == ("", [NotRun(name, reason)])


def test_each_call_that_did_not_run_is_told() -> None:
    """Two sentences are two calls."""
    text = f"{not_run('put', Reason.CUT_OFF)}\n\n{not_run('get', Reason.UNCLEAR)}"
    assert seen(text) == ("", [NotRun("put", Reason.CUT_OFF), NotRun("get", Reason.UNCLEAR)])


@pytest.mark.parametrize(
    "text",
    [
        "The log says (The call to put was cut off and was not run.) in the middle of a line.",
        "(The call to put was eaten by the dog and was not run.)",
    ],
)
def test_other_words_are_not_the_bridges(text: str) -> None:
    """Only the exact sentence, on a line of its own, was said by the bridge."""
    assert seen(text) == (text, [])


@pytest.mark.parametrize("call", [CALL, CODER], ids=["hermes", "coder"])
def test_a_whole_call_that_leaked_is_taken_out(call: str) -> None:
    """The model would imitate it."""
    assert seen(f"I write it.\n\n{call}") == ("I write it.", [])


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("All done.\n</tool_call>", "All done."),
        ("<tool_call>\nI will write it.", "I will write it."),
        ("All done.<|im_end|>", "All done."),
    ],
)
def test_a_lone_wrapper_is_taken_out(text: str, clean: str) -> None:
    """A tag without a partner on a line of its own, or a control token at the end, is nobody's prose."""
    assert seen(text) == (clean, [])


@pytest.mark.parametrize(
    "text",
    [
        f"It looks like this:\n\n```\n{CALL}\n```\nThat is all.",
        "Write `<tool_call>` first.",
        "```xml\n</tool_call>\n```",
        "<tool_call>\nsomething\n</tool_call>\nis how it is framed.",
        f"{CALL[:40]}",
        f"{CALL}\n\n{CALL[:45]}",
        CALL,
        "if a <b and c> d: <parameter=x> is what it says",
    ],
)
def test_what_may_be_meant_stays(text: str) -> None:
    """Examples, code, half calls, and an answer that would be nothing without its markup."""
    assert seen(text) == (text, [])


def test_only_answers_are_changed() -> None:
    """A user may paste what they like; without tools there is no markup."""
    assert seen(CALL, role="user") == (CALL, [])
    assert seen(f"Here.\n\n{CALL}", tools=())[0] == f"Here.\n\n{CALL}"
