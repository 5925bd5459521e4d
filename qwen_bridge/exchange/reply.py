"""Whole answers: those that need no stream, as the effects that deliver them."""

from __future__ import annotations

import orjson

from qwen_bridge.errors import BridgeError
from qwen_bridge.exchange.effects import Begin, Data, Effect, End, Headers
from qwen_bridge.surfaces.json_text import json_text


def whole(status: int, body: bytes, headers: Headers = ()) -> list[Effect]:
    """A JSON answer of known length; without a body it is a 204, whose headers may not speak of one (RFC 9110)."""
    if not body:
        return [Begin(status, headers), End()]
    fields = (("content-type", "application/json"), ("content-length", str(len(body))), *headers)
    return [Begin(status, fields), Data(body), End()]


def refusal(error: BridgeError, headers: Headers = ()) -> list[Effect]:
    """An answer that says no: status, OpenAI's envelope, and what the error adds to the headers."""
    # A word of Qwen's or of the client's may stand in it, so each text takes the road that cannot fail.
    fields = {key: text and orjson.Fragment(json_text(text)) for key, text in error.envelope()["error"].items()}
    return whole(error.status, orjson.dumps({"error": fields}), (*headers, *error.headers()))
