from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.boundaries import Boundaries
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.openers import read_opener
from qwen_bridge.toolcalls.value_end import value_end
from tests.toolcalls.bench import catalogue

CLOSE = "</function>\n</tool_call>"


def value(text: str, tool: str = "put", given: tuple[str, ...] = ("path",)) -> tuple[str, Flaw | None]:
    bounds = Boundaries(text, catalogue().tools[tool], wrapped=True, closers=frozenset())
    bounds.given.extend(given)
    opener = read_opener(text, 0, catalogue().tools[tool], frozenset())
    assert opener is not None
    end = value_end(bounds, opener)
    return text[opener.end : end.start], end.flaw


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<parameter=content>x</parameter>{CLOSE}", "x"),
        (f"<parameter=content>a </parameter> b</parameter>{CLOSE}", "a </parameter> b"),
        (f"<parameter=content><parameter=q>1</parameter></parameter>{CLOSE}", "<parameter=q>1</parameter>"),
        (f"<parameter=content>see <parameter=q> only</parameter>{CLOSE}", "see <parameter=q> only"),
        (f"<parameter=content>'<function=' *.py</parameter>{CLOSE}", "'<function=' *.py"),
        (f"<parameter=content>x</content>{CLOSE}", "x"),
        (f"<parameter=content>a </content> b</parameter>{CLOSE}", "a </content> b"),
        (f"<parameter=content><![CDATA[</parameter>{CLOSE}]]></parameter>{CLOSE}", f"<![CDATA[</parameter>{CLOSE}]]>"),
        ("<content><content>x</content></content></put>", "<content>x</content>"),
        (
            f"<parameter=content>a <parameter=q>1 </content> 2</parameter> b</parameter>{CLOSE}",
            "a <parameter=q>1 </content> 2</parameter> b",
        ),
        ("<content>a\n</content>\nb</content></put>", "a\n</content>\nb"),
    ],
)
def test_a_value_ends_at_its_own_closer(text: str, expected: str) -> None:
    """Quoted closers, nested openers, unbalanced openers and CDATA are data."""
    assert value(text) == (expected, None)


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("<parameter=content>x", Flaw.VALUE_OPEN),
        ("<parameter=content>x</par", Flaw.VALUE_OPEN),
        (f"<parameter=content>x{CLOSE}", Flaw.VALUE_UNCLOSED),
        (f"<parameter=content>x</parameter></parameter>{CLOSE}", Flaw.CLOSER_DOUBLED),
        (f"<parameter=content><parameter=content>x</parameter>{CLOSE}", Flaw.AMBIGUOUS),
        (f"<parameter=content>a</parameter> b{CLOSE}", Flaw.AMBIGUOUS),
        (f"<content>what\n<notes>\n1\n</notes>\n{CLOSE}", Flaw.AMBIGUOUS),
        (f"<content>\n<html>\n1\n</html>\n{CLOSE}", Flaw.VALUE_UNCLOSED),
        (
            f"<parameter><name>content</name><value>a</valve>\n</parameter>\n<parameter><name>path</name>"
            f"<value>b</value>\n</parameter>{CLOSE}",
            Flaw.AMBIGUOUS,
        ),
        ('<content>\n<parameter name="q">1</parameter>\n</invoke>\n</put>', Flaw.VALUE_UNCLOSED),
    ],
)
def test_a_value_without_a_certain_end_has_a_flaw(text: str, flaw: Flaw) -> None:
    """What is open, unclosed, doubled, or could end in two places is said to be."""
    assert value(text)[1] is flaw


def test_a_lost_opener_makes_the_value_doubtful() -> None:
    """A closer inside may be what is left of a parameter, as long as one could still come."""
    text = f"<parameter=command>ls</parameter>/srv</parameter>{CLOSE}"
    assert value(text, "shell", ())[1] is Flaw.AMBIGUOUS


def test_an_unclosed_value_ends_at_the_next_parameter() -> None:
    """The next declared parameter on a line of its own ends the value, and so does the blank line before it."""
    text = f"<parameter=path>\na.py\n\n<parameter=content>\nx\n</parameter>{CLOSE}"
    assert value(text, given=()) == ("\na.py\n", None)


def test_an_optional_parameter_in_the_middle_of_a_line_is_doubtful() -> None:
    """A mention of a parameter inside a value is not taken for one."""
    text = f"<parameter=command>\necho '<parameter=cwd>'\n</parameter>{CLOSE}"
    assert value(text, "shell", ())[1] is Flaw.AMBIGUOUS
