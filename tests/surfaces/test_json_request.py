from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from qwen_bridge.errors import InvalidRequest
from qwen_bridge.surfaces.json_request import dump, load_object, validate


class Leaf(BaseModel):
    model_config = ConfigDict(strict=True)

    word: str


class Tree(BaseModel):
    model_config = ConfigDict(strict=True)

    leaves: list[Leaf]
    deep: dict[str, str] = {}
    size: int = 0
    flag: bool = False


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b'{"a": "\xed\xa0\x80"}', "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": "\\x"}', "not valid JSON"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "it is an array"),
        (b"null", "it is null"),
        (b'"{}"', "it is a string"),
        (b"true", "it is true or false"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_object_is_refused(body: bytes, words: str) -> None:
    """Anything but a JSON object is an InvalidRequest that says what came."""
    with pytest.raises(InvalidRequest, match=words):
        load_object(body)


def test_refusal_does_not_repeat_the_body() -> None:
    """The sentence names the place and keeps the prompt to itself."""
    with pytest.raises(InvalidRequest) as refused:
        load_object(b'{"messages":\n"my secret prompt"]')
    assert "line 2" in refused.value.message
    assert "secret" not in refused.value.message
    assert refused.value.__suppress_context__


def test_last_of_doubled_keys_counts() -> None:
    """A key given twice is read as everyone reads it."""
    assert load_object(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\ude00", "\ufffd"),
        (rb"\uD83D\uDE00", "😀"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
        (rb"\ud83d\ude00\ude00", "😀\ufffd"),
        (rb"\ud83d\u0041", "\ufffdA"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (rb"\\\ud83d", "\\\ufffd"),
        (rb"\"\ud83d\n", '"\ufffd\n'),
    ],
)
def test_lone_surrogates_are_replaced(escaped: bytes, text: str) -> None:
    """Half an emoji becomes U+FFFD, a whole one stays, and an escaped back-slash hides none."""
    assert load_object(b'{"a": "' + escaped + b'"}') == {"a": text}


@given(st.text(alphabet=st.sampled_from(["\ud83d", "\ude00", "\\", '"', "u", "d", "8", "x", "\n", "é"])))
@settings(deadline=None)
def test_mending_agrees_with_the_standard_library(text: str) -> None:
    """Whatever the escapes, the text is the standard library's, with its lone surrogates replaced."""
    body = json.dumps({"a": text}).encode()
    expected = json.loads(body)["a"].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert load_object(body) == {"a": expected}


@pytest.mark.parametrize(
    ("raw", "param", "words"),
    [
        ({}, "leaves", "is required and is missing"),
        ({"leaves": {}}, "leaves", "must be an array; it is an object"),
        ({"leaves": [{"word": "a"}, {"word": None}]}, "leaves[1].word", "must be a string; it is null"),
        ({"leaves": [{}]}, "leaves[0].word", "is required and is missing"),
        ({"leaves": [3]}, "leaves[0]", "must be an object; it is a number"),
        ({"leaves": [], "deep": {"a": 1}}, "deep.a", "must be a string; it is a number"),
        ({"leaves": [], "deep": []}, "deep", "must be an object; it is an array"),
        ({"leaves": [], "size": "1"}, "size", "must be a whole number; it is a string"),
        ({"leaves": [], "flag": 1}, "flag", "must be true or false; it is a number"),
    ],
)
def test_misfit_is_named(raw: dict[str, object], param: str, words: str) -> None:
    """The first field that does not fit is named by its path, with what was wanted and what came."""
    with pytest.raises(InvalidRequest, match=words) as refused:
        validate(Tree, raw)
    assert refused.value.param == param
    assert f"`{param}`" in refused.value.message


def test_fit_is_returned() -> None:
    """A body that fits becomes its model."""
    assert validate(Tree, {"leaves": [{"word": "a"}], "flag": True}).leaves == [Leaf(word="a")]


def test_dump_refuses_what_cannot_be_written_again() -> None:
    """What was read deeper than it can be written is refused while the field still has a name."""
    assert dump({"a": [1, "é"]}, "x") == '{"a":[1,"é"]}'
    deep = orjson.loads(b'{"a":' * 500 + b"1" + b"}" * 500)
    with pytest.raises(InvalidRequest, match="nested too deeply") as refused:
        dump(deep, "tools[0]")
    assert refused.value.param == "tools[0]"
