"""Halves of characters, as models write emoji in JSON: a pair is one character, a lone half stays what it is."""

from __future__ import annotations

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def holds_surrogate(text: str) -> bool:
    """Whether there is a half in `text`, paired or not: UTF-8 cannot carry it."""
    return _SURROGATE.search(text) is not None


def joined(text: str) -> str:
    """`text` with each pair of halves as the one character it stands for; a lone half stays."""
    if not holds_surrogate(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
