from __future__ import annotations

import pytest
from openai.types import CompletionUsage

from qwen_bridge.events import FinishReason, Usage
from qwen_bridge.surfaces.chat_completions.ending import UNKNOWN_USAGE, finish_reason, usage_object


def test_usage_is_openais() -> None:
    """The numbers stand where OpenAI's types look for them, and the total is their sum."""
    usage = CompletionUsage.model_validate(usage_object(Usage(prompt=10, completion=5, reasoning=3, cached=4)))
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 4
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 3


def test_unknown_usage_adds_up() -> None:
    """What stands in for a usage nobody reported is at least consistent."""
    assert usage_object(UNKNOWN_USAGE)["total_tokens"] == 0


@pytest.mark.parametrize(
    ("reason", "calls", "said"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("tool_calls", True, "tool_calls"),
        ("tool_calls", False, "stop"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
    ],
)
def test_reason_fits_the_answer(reason: FinishReason, calls: bool, said: FinishReason) -> None:
    """Tool calls are the reason exactly when there are calls and nothing was cut."""
    assert finish_reason(reason, calls=calls) == said
