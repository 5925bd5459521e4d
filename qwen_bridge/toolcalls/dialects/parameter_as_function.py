"""`<parameter=bash>` where `<function=bash>` was meant: 5 of 98 stanzas in one count (ds4 #1050)."""

from __future__ import annotations

import re
from functools import lru_cache

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import QUOTES, Head, name_pattern, names_of
from qwen_bridge.toolcalls.tags import OPENING


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    name = name_pattern(names, generic=True)
    return re.compile(
        rf"{OPENING}parameter\s*=\s*[{QUOTES}]?(?P<name>{name})[{QUOTES}]?\s*(?:[>＞]|(?=\n))(?=\s*[<＜])"
    )


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None. The name must be a declared tool's, and a parameter must follow."""
    found = _pattern(names_of(catalogue)).match(text, at)
    if found is None or found["slash"] or catalogue.resolve(found["name"]) is None:
        return None
    return Head(found["name"], found.end(), "qwen3_coder_xml", repair="head.parameter_as_function")
