"""What a head says, and the patterns that heads share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from qwen_bridge.toolcalls.catalogue import Catalogue

QUOTES = "\"'“”‘’"

ATTRIBUTES = r"""(?:\s+[^\W\d][\w.\-]*\s*=\s*(?:"[^"]*"|'[^']*'|[“”][^“”]*[“”]))*"""


@dataclass(frozen=True, slots=True)
class Head:
    """`written` is the name as the model wrote it; arguments begin at `end`.

    `word` is the tag's own word, which closes the call. `attributes` are arguments given inside the tag; `void` says
    the tag closed itself; `dialect` is the form.
    """

    written: str
    end: int
    dialect: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    void: bool = False
    namespaced: bool = False
    repair: str = ""
    word: str = ""


@lru_cache(maxsize=256)
def name_pattern(names: tuple[str, ...], *, generic: bool) -> str:
    """A pattern for a tool's name: a declared one, the longest first, else (`generic`) any token."""
    declared = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name)
    exact = rf"(?:{declared})(?![\w\-])" if declared else r"(?!)"
    return rf"(?:{exact}|[^\W\d][\w.\-:/]*)" if generic else exact


def names_of(catalogue: Catalogue) -> tuple[str, ...]:
    """The declared names, as a key for compiled patterns."""
    return tuple(catalogue.tools)
