"""A JSON head before arguments that are not JSON: `{"name": "bash",` and then `<parameter=command>`.

Also the head of an object that cannot be read as a whole, so that a withheld call can be named.
"""

from __future__ import annotations

import re

from qwen_bridge.toolcalls.catalogue import Catalogue
from qwen_bridge.toolcalls.dialects.head import Head
from qwen_bridge.toolcalls.envelope import NAMES

_NAMES = "|".join(NAMES)
_NAME = re.compile(rf"""(?:\{{\s*["']?|["'])(?:{_NAMES})["']?\s*:\s*["'](?P<name>[^"'\n]{{1,160}})["']\s*,?\s*""")
_ARGUMENTS = re.compile(r"""["']?(?:arguments|parameters|params|args|input)["']?\s*:\s*(?=[{<＜"]|\Z)""")


def read(text: str, at: int, catalogue: Catalogue) -> Head | None:
    """The head at `at`, or None."""
    found = _NAME.match(text, at)
    if found is None:
        return None
    arguments = _ARGUMENTS.match(text, found.end())
    if arguments is None and text[found.end() : found.end() + 1] not in ("<", "＜"):
        return None
    return Head(found["name"], arguments.end() if arguments else found.end(), "mixed", repair="head.json")
