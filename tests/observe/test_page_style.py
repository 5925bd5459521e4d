"""The style sheet: light and dark with the same names, readable in both."""

from __future__ import annotations

import re

import pytest

from qwen_bridge.observe.page_style import STYLE

LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S))
PAIRS = [
    *(("ink", "paper"), ("ink", "card"), ("ink", "code"), ("soft", "card"), ("soft", "paper"), ("soft", "code")),
    *(("accent", "paper"), ("accent", "info-bg"), ("good", "good-bg"), ("warn", "warn-bg"), ("bad", "bad-bg")),
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_is_readable(theme: dict[str, str], front: str, back: str) -> None:
    """Each pair of colours that meets as text has the contrast of WCAG's AA, 4.5 to 1."""
    lighter, darker = sorted((luminance(theme[front]), luminance(theme[back])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_both_themes_name_the_same_colours() -> None:
    """One that is missing would keep its light value in the dark."""
    assert set(LIGHT) == set(DARK)
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) <= set(LIGHT)
