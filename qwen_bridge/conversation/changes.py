"""What changed in the instructions since a chat last saw them, when that is much shorter than saying all of it again.

Clients put clocks, open files and modes into their system prompt. Sent whole at every turn, forty kilobytes of it would
travel for one line that is new; not sent at all, the model would go on by what is no longer true.
"""

from __future__ import annotations

import difflib
from typing import Final

WORTH_IT: Final = 0.5
"""A description of changes is used when it is shorter than this share of the whole text."""

MOST_LINES: Final = 4_000
"""Lines beyond which no comparison is made: its cost grows with the square of what differs."""

_GONE, _NEW = "- ", "+ "


def changes(old: str, new: str) -> str | None:
    """The lines that went (`- `) and came (`+ `), each group with the line before it; None when it is not worth it.

    The description is exact: applied to `old` it gives `new`, and line ends and blanks are part of the lines.
    """
    before, after = old.split("\n"), new.split("\n")
    if len(before) + len(after) > MOST_LINES:
        return None
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        lines.append(f"after line {start}{f': {before[start - 1]}' if start else ''}")
        lines += [_GONE + line for line in before[start:end]]
        lines += [_NEW + line for line in after[new_start:new_end]]
    text = "\n".join(lines)
    return text if len(text) < WORTH_IT * len(new) else None
