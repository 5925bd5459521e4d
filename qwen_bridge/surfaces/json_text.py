"""A text as a JSON string, whatever it holds.

orjson refuses a `str` with lone surrogates. None should come this far (both decoders of the house replace them), but a
stage never raises because of its input.
"""

from __future__ import annotations

import orjson


def json_text(text: str) -> bytes:
    """The text as a JSON string with its quotes, in UTF-8; a lone surrogate becomes U+FFFD."""
    try:
        return orjson.dumps(text)
    except orjson.JSONEncodeError:
        # UTF-16 joins a high and a low half that stand side by side, and sees which stand alone.
        return orjson.dumps(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
