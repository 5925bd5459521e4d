"""What can be wrong with the structure of a call. The policy decides what follows from it."""

from __future__ import annotations

from enum import Enum


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
    REPEATED = "a parameter is given twice"
    JUNK = "text stands where a parameter should"
    MALFORMED = "the arguments cannot be read"
    NAMELESS = "no tool is named"
    UNDECLARED = "the tool was not declared"
    INCOMPLETE = "a required parameter is missing"
