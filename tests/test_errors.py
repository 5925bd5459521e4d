"""The error tree: its drawing is true, and each leaf becomes OpenAI's envelope."""

from __future__ import annotations

import re

import pytest

from qwen_bridge import errors
from qwen_bridge.errors import BridgeError, ChatBusy, InvalidRequest, QueueFull, QuotaExceeded, RequestError

_ROW = re.compile(r"[├└]── (\w+) +(\d{3})  (\w+)")
_DRAWN = [match.groups() for match in _ROW.finditer(errors.__doc__ or "")]
_ALL = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, BridgeError)]


@pytest.mark.parametrize(("name", "status", "code"), _DRAWN)
def test_the_drawing_at_the_top_is_true(name: str, status: str, code: str) -> None:
    """Every leaf of the drawn tree exists, with the status and the code (or type) that stand beside it."""
    leaf = getattr(errors, name)
    assert str(leaf.status) == status
    assert code in (leaf.code, leaf.type)


def test_the_drawing_shows_all_but_what_refines_a_leaf() -> None:
    """No branch is missing from the drawing, and it is not empty."""
    drawn = set(re.findall(r"^ *(?:│   )?[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)) | {"BridgeError"}
    undrawn = [error for error in _ALL if error.__name__ not in drawn]
    assert all(issubclass(error, InvalidRequest) for error in undrawn), "refinements with a code of their own"
    assert len(_DRAWN) > 20


@pytest.mark.parametrize("error", _ALL)
def test_the_envelope_has_all_four_keys(error: type[BridgeError]) -> None:
    """OpenAI's error object requires message, type, param and code, also where param is null."""
    body = error("what happened").envelope()["error"]
    assert body == {"message": "what happened", "type": error.type, "param": None, "code": error.code}
    assert 400 <= error.status <= 599


def test_param_names_the_field() -> None:
    """The offending field of the request stands in the envelope."""
    assert InvalidRequest("bad", param="tools").envelope()["error"]["param"] == "tools"
    assert issubclass(InvalidRequest, RequestError)


def test_every_answer_says_whether_to_retry() -> None:
    """`x-should-retry` is always there, and false unless a repetition by the client can help."""
    assert QuotaExceeded("wait").headers() == [("x-should-retry", "false")]
    assert ChatBusy("wait").headers() == [("x-should-retry", "false")], "the bridge has waited and asked by itself"
    assert QueueFull("wait").headers() == [("x-should-retry", "true")]
