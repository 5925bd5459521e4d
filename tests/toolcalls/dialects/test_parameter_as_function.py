from __future__ import annotations

from qwen_bridge.toolcalls.dialects import parameter_as_function
from tests.toolcalls.bench import catalogue


def test_a_parameter_with_a_tools_name_is_a_head() -> None:
    """If another parameter follows."""
    head = parameter_as_function.read("<parameter=shell>\n<parameter=command>", 0, catalogue())
    assert head is not None
    assert head.written == "shell"


def test_a_parameter_with_a_value_is_none() -> None:
    """Nor one with another name."""
    assert parameter_as_function.read("<parameter=shell>\nls", 0, catalogue()) is None
    assert parameter_as_function.read("<parameter=gone>\n<parameter=command>", 0, catalogue()) is None
