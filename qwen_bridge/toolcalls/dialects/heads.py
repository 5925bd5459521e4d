"""The registry of heads: one row per dialect, tried in this order."""

from __future__ import annotations

from collections.abc import Callable

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects import bare_name, harmony, json_head, named, parameter_as_function, tool_tag
from qwen_bridge.toolcalls.dialects.head import Head

type HeadReader = Callable[[str, int, Catalogue], Head | None]

HEADS: tuple[HeadReader, ...] = (
    tool_tag.read,
    parameter_as_function.read,
    named.read,
    harmony.read,
    json_head.read,
)
"""Heads that stand for themselves, with or without a wrapper."""

WRAPPED_HEADS: tuple[HeadReader, ...] = (*HEADS, bare_name.read)
"""Heads that count inside a wrapper."""


def read_head(text: str, at: int, catalogue: Catalogue, *, wrapped: bool) -> Head | None:
    """The head at `at`: the first reader whose name is a declared tool's, else the first that reads one at all."""
    unknown: Head | None = None
    for read in WRAPPED_HEADS if wrapped else HEADS:
        head = read(text, at, catalogue)
        if head is None:
            continue
        if catalogue.resolve(head.written) is not None:
            return head
        unknown = unknown or head
    return unknown
