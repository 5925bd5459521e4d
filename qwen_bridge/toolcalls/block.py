"""The parameters of one call in tag form, as raw texts: nothing in a value is decoded or trimmed here."""

from __future__ import annotations

from dataclasses import dataclass, field

from qwen_bridge.toolcalls.boundaries import Boundaries
from qwen_bridge.toolcalls.catalogue import Tool
from qwen_bridge.toolcalls.flaws import Flaw
from qwen_bridge.toolcalls.tags import after_space
from qwen_bridge.toolcalls.value_end import value_end
from qwen_bridge.toolcalls.wreckage import swallows_tag


@dataclass(slots=True)
class Block:
    """Keys and raw values in their order, where the block ended, and what was wrong with it."""

    end: int
    values: list[tuple[str, str]] = field(default_factory=list)
    flaws: set[Flaw] = field(default_factory=set)
    repairs: list[str] = field(default_factory=list)


def read_block(
    text: str, at: int, tool: Tool, *, wrapped: bool, closers: frozenset[str] = frozenset(), namespaced: bool = False
) -> Block:
    """Read parameters of `tool` from `at` on; the block ends before what is no parameter.

    `wrapped` says that a wrapper was opened before the call; `closers` are words that close it beside the usual ones;
    `namespaced` that its head stood in a namespace, so that plain tags are data where its closers are in one too.
    """
    bounds = Boundaries(text, tool, wrapped=wrapped, closers=closers, namespaced=namespaced)
    block = Block(at)
    while (opener := bounds.opener(after_space(text, block.end))) is not None:
        end = value_end(bounds, opener)
        value = text[opener.end : end.start] if opener.value is None else opener.value
        block.values.append((opener.key, value))
        mended = bool(end.flaw or end.repair)
        if opener.value is None and swallows_tag(text, opener, end.start, tool, bounds.given, mended=mended):
            block.flaws.add(Flaw.AMBIGUOUS)
        bounds.given.append(opener.key)
        block.end = end.after
        block.repairs += [repair for repair in (opener.repair, end.repair) if repair]
        if end.flaw is not None:
            block.flaws.add(end.flaw)
    return block
