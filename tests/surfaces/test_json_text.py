from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.surfaces.json_text import json_text


@given(st.text())
@settings(deadline=None)
def test_text_survives(text: str) -> None:
    """What UTF-8 can carry comes back as it was, in one line."""
    written = json_text(text)
    assert json.loads(written) == text
    assert b"\n" not in written


@pytest.mark.parametrize(
    ("text", "read"),
    [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude00\ud83d", "😀\ufffd"), ("\ud83d" * 3, "\ufffd" * 3)],
)
def test_lone_surrogates_become_replacement_characters(text: str, read: str) -> None:
    """Each half of a pair that stands alone is replaced, and two that belong together are joined."""
    assert json.loads(json_text(text)) == read


@given(st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010, categories=["Cs", "Lo", "Co"])))
@settings(deadline=None)
def test_nothing_raises(text: str) -> None:
    """No arrangement of surrogates raises, and the bytes are UTF-8."""
    json_text(text).decode()
