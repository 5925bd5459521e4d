"""What is left of a call that cannot be read: whom it meant to call, and where it ends.

Nothing here makes a call; it is for the sentence that says that one was not run, and for leaking none of it.
"""

from __future__ import annotations

import re
from collections import Counter

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.tags import CALLS, WRAPPERS, tags_in

_NAME_IN_RUINS = re.compile(r"""["'](?:name|tool|tool_name|function)["']\s*:\s*["']([^"'\n]{1,160})["']""")
_WRAPPER_END = re.compile(r"[<＜]\s*[/／]\s*\w*(?:tool_?call|function_?call|tool_code|tools)\w*\s*[>＞]")


def named_in(text: str, at: int, catalogue: Catalogue) -> str:
    """The name that an unreadable call mentions first, for the sentence that says that it was not run."""
    found = _NAME_IN_RUINS.search(text, at, at + 2000)
    if found is None:
        return ""
    named = catalogue.resolve(found[1])
    return named.tool.name if named else found[1]


def unopened(text: str) -> frozenset[str]:
    """Words of the closing tags in `text` that nothing in it opened: the end of something that began before it."""
    opened: Counter[str] = Counter()
    found: set[str] = set()
    for tag in tags_in(text):
        if not tag.closing:
            opened[tag.word] += not tag.void
        elif opened[tag.word]:
            opened[tag.word] -= 1
        else:
            found.add(tag.word)
    return frozenset(found)


def wrapper_end(text: str, at: int) -> int:
    """Where an unreadable call ends: behind the wrapper's closer, else at the end of the text."""
    found = wrapper_closer(text, at)
    return found.end() if found else len(text)


def wrapper_closer(text: str, at: int) -> re.Match[str] | None:
    """The first closer of a wrapper from `at` on."""
    return _WRAPPER_END.search(text, at)


def ruin_end(text: str, at: int, own: frozenset[str]) -> int:
    """Where a call that cannot be read ends: behind the closers that come next, else at the end of the text."""
    words = "|".join(re.escape(word) for word in own | CALLS | WRAPPERS)
    found = re.compile(rf"(?:[<＜]\s*[/／]\s*(?:{words})\s*[>＞]\s*)+").search(text, at)
    return found.end() if found else len(text)
