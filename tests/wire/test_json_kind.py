from __future__ import annotations

import pytest

from qwen_bridge.wire.json_kind import json_kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({}, "an object"),
        ([], "an array"),
        ("", "a string"),
        (False, "true or false"),
        (0, "a number"),
        (0.5, "a number"),
        (None, "null"),
    ],
)
def test_kind_is_named_with_its_article(value: object, kind: str) -> None:
    """Each kind of JSON value has its words, and a boolean is no number."""
    assert json_kind(value) == kind
