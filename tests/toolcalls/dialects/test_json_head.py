from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.dialects import json_head
from tests.toolcalls.bench import catalogue


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ('{"name": "shell",\n<parameter', "<parameter"),
        ('{"tool": "shell", "arguments": {', "{"),
        ('"name": "shell", "arguments": {', "{"),
        ('{"name": "shell", "arguments": "', '"'),
    ],
)
def test_a_name_before_arguments_is_a_head(text: str, rest: str) -> None:
    """Arguments of any form may follow."""
    head = json_head.read(text, 0, catalogue())
    assert head is not None
    assert (head.written, text[head.end :]) == ("shell", rest)


@pytest.mark.parametrize(
    "text", ['{"name": "shell"}', '{"name": 5, "arguments": {', '{"other": "shell", "arguments": {']
)
def test_other_json_is_none(text: str) -> None:
    """Without arguments, or without a name that is one, there is no head."""
    assert json_head.read(text, 0, catalogue()) is None
