"""A name alone at the start of a wrapper: `<tool_call>bash` and then a parameter block, or JSON."""

from __future__ import annotations

import re
from functools import lru_cache

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import QUOTES, Head, name_pattern, names_of

_CLOSED = r"</\s*(?:function|tool|name)\s*>(?=\s*[<＜{(])"


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    name = name_pattern(names, generic=False)
    return re.compile(rf"[{QUOTES}]?(?P<name>{name})[{QUOTES}]?[ \t]*[:>＞,]?\s*(?:{_CLOSED}\s*)?(?=[<＜{{(])")


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None. Only an exact declared name counts, and arguments must follow."""
    found = _pattern(names_of(catalogue)).match(text, at)
    if found is None:
        return None
    return Head(found["name"], found.end(), "mixed", repair="head.bare_name")
