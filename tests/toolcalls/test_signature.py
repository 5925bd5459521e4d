from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.signature import read_signature


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("()", {}),
        ('(a="x", b=2)', {"a": "x", "b": 2}),
        ("(a='x', b=True, c=None)", {"a": "x", "b": True, "c": None}),
        ('(a=[1, 2], b={"c": 1})', {"a": [1, 2], "b": {"c": 1}}),
        ('({"a": "x"})', {"a": "x"}),
    ],
)
def test_arguments_like_a_functions_are_read(text: str, arguments: object) -> None:
    """Keywords with JSON or Python values, or one object."""
    signature = read_signature(text + "rest", 0)
    assert signature is not None
    assert (signature.arguments, signature.end) == (arguments, len(text))


@pytest.mark.parametrize(
    "text", ["", "(", "(a)", '("x")', "(a=1 b=2)", "(a=1, a=2)", "(a=", '(a="x)', "({1})", '({"a": 1}']
)
def test_anything_else_is_none(text: str) -> None:
    """Positional, repeated, open and broken arguments are not guessed."""
    assert read_signature(text, 0) is None
