"""Channel tokens: `<|channel|>commentary to=functions.X <|constrain|>json<|message|>{…}<|call|>`."""

from __future__ import annotations

import re

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import Head

_HEAD = re.compile(
    r"(?:<\|start\|>\s*assistant)?\s*(?:<\|channel\|>\s*\w*)?\s*to\s*=\s*(?P<name>[\w.\-]+)\s*"
    r"(?:<\|channel\|>\s*\w+)?\s*(?:<\|constrain\|>)?\s*(?:json)?\s*<\|message\|>\s*(?=\{)"
)


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None."""
    found = _HEAD.match(text, at)
    if found is None:
        return None
    return Head(found["name"], found.end(), "special_tokens", namespaced=True, repair="head.channel_tokens")
