"""What both writers say at the end: the usage object and the finish reason."""

from __future__ import annotations

from typing import Any

from qwen_bridge.events import FinishReason, Usage

UNKNOWN_USAGE = Usage(prompt=0, completion=0)
"""Written when no `UsageReported` came. Zeros are not true; whoever drives the encoder reports an estimate before the
end (clients condense their history by these numbers), so this shows only that nobody did."""


def usage_object(usage: Usage) -> dict[str, Any]:
    """OpenAI's `CompletionUsage`, with the two details clients read."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def finish_reason(reason: FinishReason, *, calls: bool) -> FinishReason:
    """The reason as OpenAI words it: `tool_calls` for an answer that calls, never for one that does not.

    openai-python's stream helper and Vercel's AI SDK both stumble over `stop` beside calls (measured). `length` and
    `content_filter` stand as they are: they say that something is missing.
    """
    if calls and reason == "stop":
        return "tool_calls"
    if not calls and reason == "tool_calls":
        return "stop"
    return reason
