from __future__ import annotations

import pytest

from qwen_bridge.toolcalls.dialects import bare_name
from tests.toolcalls.bench import catalogue


@pytest.mark.parametrize("text", ["shell\n<", 'shell\n{"', "shell(", '"shell", {', "shell</function>\n<"])
def test_a_declared_name_before_arguments_is_a_head(text: str) -> None:
    """Alone in a wrapper it can be nothing else."""
    head = bare_name.read(text, 0, catalogue())
    assert head is not None
    assert head.written == "shell"


@pytest.mark.parametrize("text", ["shell is", "Shell\n<", "shellx\n<", "gone\n<"])
def test_other_words_are_none(text: str) -> None:
    """Only the exact name counts, and arguments must follow."""
    assert bare_name.read(text, 0, catalogue()) is None
