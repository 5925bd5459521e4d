from __future__ import annotations

import pytest

from qwen_bridge.bridge.call import Call


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/v1/chat/completions", "chat_completions"),
        ("GET", "/v1/models?limit=1", "list_models"),
        ("OPTIONS", "/v1/models", "preflight"),
        ("POST", "/v1/embeddings", "unknown"),
    ],
)
def test_a_call_has_a_word_for_what_it_asks(method: str, path: str, kind: str) -> None:
    """Out of a small set, whatever the client wrote: it is a label of counters."""
    assert Call(method, path, {}, b"").kind == kind
