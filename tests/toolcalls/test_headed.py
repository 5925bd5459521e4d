from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.grammar import read_call
from tests.toolcalls.bench import catalogue

PATH = "<parameter=path>a</parameter>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<function=read_file>{PATH}</function>", frozenset()),
        (f"<tool_call><function=read_file>{PATH}</function>", {Flaw.WRAPPER_OPEN}),
        (f"<function=read_file>{PATH}", {Flaw.CLOSER_MISSING, Flaw.MORE_POSSIBLE}),
        (
            "<function=put><parameter=content>x</parameter>",
            {Flaw.CLOSER_MISSING, Flaw.MORE_POSSIBLE, Flaw.BODY_LAST, Flaw.INCOMPLETE},
        ),
        ("<function=read_file>", {Flaw.HEAD_OPEN, Flaw.INCOMPLETE}),
        ("<function=read_file>and now", {Flaw.JUNK, Flaw.INCOMPLETE}),
        ("<function=gone><parameter=a>1</parameter></function>", {Flaw.UNDECLARED}),
        ('<function=read_file>{"path": "a"', {Flaw.VALUE_OPEN}),
        ('<function=read_file>{"path": 4.2.3}</function>', {Flaw.MALFORMED}),
        ("<function=read_file></function>", {Flaw.INCOMPLETE}),
        ("<function=read_file><parameter=file>a</parameter></function>", {Flaw.MALFORMED}),
        ("<function=read_file><parameter=path/><parameterlimit=>5</parameter></function>", {Flaw.JUNK}),
        (f"<function=read_file>{PATH}\n<function=ping></function>", {Flaw.CLOSER_MISSING}),
        (f'<function=read_file>{PATH}\n< name="limit">\n0\n</parameter>\n</function>', {Flaw.JUNK}),
        ('<shell command="ls" id="7"/>', frozenset()),
        ('<shell command="ls" dry_run="true"/>', {Flaw.KEY_UNKNOWN}),
        ('<shell command="ls" timeoutt="5"/>', {Flaw.KEY_UNKNOWN, Flaw.KEY_MISSPELT}),
        ('<shell command=="ls" cwd="/x"/>', {Flaw.AMBIGUOUS}),
        ('<shell command="ls" cwd="/x/>', {Flaw.AMBIGUOUS}),
    ],
)
def test_the_flaws_of_a_headed_call(text: str, expected: frozenset[Flaw]) -> None:
    """What is missing, open, in the way or unknown is told apart."""
    reading = read_call(text, catalogue())
    assert reading is not None
    flaws = reading.calls[0].flaws
    assert flaws - {Flaw.INCOMPLETE} == set(expected) - {Flaw.INCOMPLETE}
    assert Flaw.INCOMPLETE not in expected or flaws & {Flaw.INCOMPLETE, Flaw.MALFORMED, Flaw.JUNK}


def test_an_unreadable_call_is_taken_with_its_closers() -> None:
    """Nothing of it is left for the client to see."""
    text = "<tool_call>\n<function=put>\nhm <b>\n</function>\n</tool_call> more"
    reading = read_call(text, catalogue())
    assert reading is not None
    assert text[reading.end :].strip() == "more"


def test_the_dialect_is_named() -> None:
    """A head of one form with arguments of another is a mixture."""
    texts = {
        f"<function=read_file>{PATH}</function>": "qwen3_coder_xml",
        '<function=read_file>{"path": "a"}</function>': "mixed",
        "<read_file><path>a</path></read_file>": "tool_tag_xml",
        f'<invoke name="read_file">{PATH}</invoke>': "invoke_xml",
        f'<｜N｜invoke name="read_file">{PATH}</｜N｜invoke>': "special_tokens",
    }
    for text, dialect in texts.items():
        reading = read_call(text, catalogue())
        assert reading is not None
        assert reading.dialect == dialect
