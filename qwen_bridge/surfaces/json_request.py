"""Bytes of a request → a checked wire model, or an `InvalidRequest` that names the field.

Used by every surface. The sentences never repeat a value of the request, only its kind: a value may be a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qwen_bridge.errors import InvalidRequest
from qwen_bridge.wire.json_kind import json_kind

# A back-slash and all it governs, so that the `\ud800` in `\\ud800` (six plain characters) is not taken for an escape.
# Alternatives in order: a whole surrogate pair; a lone surrogate (group 1); any other escape.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)

_EXPECTED = {
    "string_type": "a string",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}
"""pydantic's error types → the kind that was wanted."""


def load_object(body: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Of a doubled key the last value counts, as in OpenAI's API and in every common JSON library. A lone surrogate
    escape (`"\\ud800"`: half an emoji, cut by a client that counts UTF-16 units) becomes U+FFFD, since no UTF-8 could
    carry it further. Raises `InvalidRequest` for anything that is not an object in valid JSON and UTF-8, nested at
    most 1024 deep.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _load_mended(body)
    if not isinstance(value, dict):
        raise InvalidRequest(f"The request body must be a JSON object; it is {json_kind(value)}.")
    return value


def validate[M: BaseModel](model: type[M], raw: dict[str, Any]) -> M:
    """Check a decoded body against its wire model; raises `InvalidRequest` for the first field that does not fit."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False)[0]) from None


def dump(value: object, param: str) -> str:
    """A decoded value as compact JSON text. Raises `InvalidRequest` on `param` when it is nested over 250 deep.

    orjson reads 1024 levels and writes 254: what a later room must write is written here once, where the failure
    still has a name.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        raise InvalidRequest(f"`{param}` is nested too deeply; 250 levels are the limit.", param=param) from None


def _load_mended(body: bytes) -> Any:
    """Decode after lone surrogates were replaced: the slow road, taken only when the straight one failed."""
    mended = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body)
    try:
        return orjson.loads(mended)
    except orjson.JSONDecodeError as error:
        # `error.msg` names the place and what was expected there; `error.doc`, which holds the prompt, stays out.
        raise InvalidRequest(f"The request body is not valid JSON: {error.msg} (line {error.lineno}).") from None


def _invalid(detail: ErrorDetails) -> InvalidRequest:
    param = _path(detail["loc"])
    kind = detail["type"]
    if kind == "missing":
        return InvalidRequest(f"The field `{param}` is required and is missing.", param=param)
    if kind == "union_tag_invalid":
        wanted = detail["ctx"]["expected_tags"].replace("'", "").replace(", ", " or ")
    else:
        wanted = _EXPECTED.get(kind, "a valid value")
    return InvalidRequest(f"`{param}` must be {wanted}; it is {json_kind(detail['input'])}.", param=param)


def _path(location: Sequence[int | str]) -> str:
    """pydantic's `loc` in JavaScript notation: `messages[2].content[0].type`. Tags of unions hold a space; they go."""
    steps = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}"
        for step in location
        if isinstance(step, int) or " " not in step
    )
    return steps.removeprefix(".")
