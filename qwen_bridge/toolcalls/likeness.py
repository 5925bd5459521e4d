"""Whether two words differ by a slip. It only ever casts doubt: nothing is read, named or run because it is alike."""

from __future__ import annotations


def alike(word: str, other: str) -> bool:
    """Whether two different words differ by a slip: a letter or two more, less, or another."""
    if word == other or abs(len(word) - len(other)) > 2 or min(len(word), len(other)) < 4:
        return False
    row = list(range(len(other) + 1))
    for at, letter in enumerate(word, 1):
        before, row[0] = row[0], at
        for to, wanted in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (letter != wanted))
    return row[-1] <= (2 if len(other) > 6 else 1)


def alike_key(key: str, other: str) -> bool:
    """As `alike`, also for short words that begin alike: `cd` and `cwd`, `pah` and `path`; and for a word twice."""
    if key and not key.replace(other, ""):
        return key != other
    short = 2 <= min(len(key), len(other)) < 4 and max(len(key), len(other)) < 5 and key[0] == other[0]
    return alike(f"{key}--", f"{other}--") if short else alike(key, other)
