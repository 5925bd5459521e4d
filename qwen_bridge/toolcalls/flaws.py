"""What can be wrong with the structure of a call. The policy decides what follows from it."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Flaw(Enum):
    """A defect of structure that reading found; the value is the word used in reports."""

    CLOSER_MISSING = "the call is not closed; every value is"
    WRAPPER_OPEN = "the call is closed, its wrapper is not"
    BODY_LAST = "the call is not closed, and its last value is a body that may go on"
    MORE_POSSIBLE = "the call is not closed, and parameters of its tool may still have followed"
    VALUE_UNCLOSED = "the last value has no closer; the call has"
    VALUE_OPEN = "the text ends inside a value"
    HEAD_OPEN = "the text ends before any value"
    CLOSER_DOUBLED = "a value is closed twice"
    AMBIGUOUS = "there are two readings"
    REPEATED = "a body is given twice"
    TWO_VALUES = "a parameter is given twice, with different values"
    NULL_OR_TEXT = "an optional parameter is the word null, which its type reads as text and as nothing"
    KEY_UNKNOWN = "an argument is none of the tool's parameters"
    KEY_MISSPELT = "an argument is nearly one of the tool's parameters, which is not given"
    JUNK = "text stands where a parameter should"
    MALFORMED = "the arguments cannot be read"
    NAMELESS = "no tool is named"
    UNDECLARED = "the tool was not declared"
    INCOMPLETE = "a required parameter is missing"


def same(one: Any, other: Any) -> bool:
    """Whether a value that was given twice is one value; 1 and true are equal, and two."""
    return bool(one == other) and repr(one) == repr(other)
