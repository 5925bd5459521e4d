from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.toolcalls.neutralise import ZERO_WIDTH, Neutraliser, restore

NAMES = ("read_file", "shell")


def safe(text: str, size: int = 10_000) -> str:
    one = Neutraliser(NAMES)
    return "".join(one.feed(text[at : at + size]) for at in range(0, len(text), size)) + one.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use <shell> now", "use &lt;shell> now"),
        ("use `<shell>` now", f"use `<{ZERO_WIDTH}shell>` now"),
        ("```\n<read_file>\n```", f"```\n<{ZERO_WIDTH}read_file>\n```"),
        ("</shell> <shells> <shell x> <b>", "</shell> <shells> <shell x> <b>"),
    ],
)
def test_only_the_exact_tag_is_made_inert(text: str, expected: str) -> None:
    """In prose with an entity, in code with a mark that nobody sees; nothing else is touched."""
    assert safe(text) == expected
    assert restore(expected, NAMES) == text


PIECES = st.sampled_from(["<shell>", "<sh", "ell>", "`", "```\n", "\n", "text", "<", "<!--", "-->", "<read_file>"])


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.integers(1, 5))
def test_no_cut_changes_it_and_it_can_be_undone(text: str, size: int) -> None:
    """The result does not depend on the pieces, holds no exact tag, and gives the text back."""
    assert safe(text, size) == safe(text)
    assert not any(f"<{name}>" in safe(text) for name in NAMES)
    assert restore(safe(text), NAMES) == text


def test_without_names_nothing_is_restored() -> None:
    """A client without XML tools has no marks, and its text stays as it is."""
    assert restore("a &lt;b> c", ()) == "a &lt;b> c"
