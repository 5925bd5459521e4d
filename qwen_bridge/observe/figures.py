"""Figures as people read them: sizes, spans of time, parts of a whole."""

from __future__ import annotations

_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def size(number: int) -> str:
    """`812 B`, `4.2 KB`, `1.3 MB`; powers of a thousand."""
    amount = float(number)
    for unit in ("B", "KB", "MB", "GB"):
        if round(amount) < 1000 or unit == "GB":
            return f"{amount:.1f} {unit}" if unit != "B" and amount < 99.95 else f"{amount:.0f} {unit}"
        amount /= 1000
    raise AssertionError  # the last unit takes everything


def span(seconds: float) -> str:
    """`3 d 4 h`, `12 min`, `45 s`: the two largest units that count."""
    left = max(0, int(seconds))
    words = []
    for length, unit in _SPANS:
        if left >= length:
            words.append(f"{left // length} {unit}")
            left %= length
        elif words:
            break
        if len(words) == 2:
            break
    return " ".join(words) or "0 s"


def took(seconds: float) -> str:
    """`0.42 s`, `12 s`, `2 min 5 s`: how long something lasted."""
    if seconds >= 60:
        return span(seconds)
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2f} s"


def part(ratio: float | None) -> str:
    """`92 %`; a dash where there is nothing to divide."""
    return "–" if ratio is None else f"{100 * ratio:.0f} %"
