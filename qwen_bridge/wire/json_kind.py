"""The six kinds of JSON values, in the words an error message uses.

The words serve twice: as tags of the unions in this room (a value is read as the member its kind names, so that a
failure is told for that member alone), and in sentences like "must be a string or an array; it is null". No field
name holds a space, so a tag can be told from a field in pydantic's `loc`.
"""

from __future__ import annotations

from typing import Literal

type JsonKind = Literal["an object", "an array", "a string", "true or false", "a number", "null"]


def json_kind(value: object) -> JsonKind:
    """Return the kind of a decoded JSON value, with its article."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case str():
            return "a string"
        case bool():
            return "true or false"
        case None:
            return "null"
        case _:
            return "a number"
