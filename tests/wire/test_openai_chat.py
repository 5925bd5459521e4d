from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from qwen_bridge.wire.openai_chat import WireChatRequest, WireImageUrl, WirePart
from tests.harness.shared import CLIENTS, needs_shared

USER = {"role": "user", "content": "Hi"}


@needs_shared
def test_recorded_requests_lose_no_known_field() -> None:
    """Every message of every recorded request comes through with role, content and calls as sent."""
    seen = 0
    for file in sorted(CLIENTS.glob("*/*.json")):
        recorded = json.loads(file.read_text(encoding="utf-8"))
        if not recorded["path"].endswith("/chat/completions"):
            continue
        wire = WireChatRequest.model_validate(recorded["body"])
        for sent, read in zip(recorded["body"]["messages"], wire.messages, strict=True):
            dumped = read.model_dump(exclude_none=True)
            for field in ("role", "content", "tool_call_id"):
                assert dumped.get(field) == sent.get(field), file
            ids = [call["id"] for call in sent.get("tool_calls", [])]
            assert [call.id for call in read.tool_calls or ()] == ids, file
        seen += 1
    assert seen >= 50


def test_unknown_fields_are_dropped() -> None:
    """What the bridge does not read does not stand in the way, at any depth."""
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part], "x": 1}], "temperature": "hot", "y": {}}
    wire = WireChatRequest.model_validate(body)
    assert wire.messages[0].content == [WirePart(type="text", text="Hi")]


@pytest.mark.parametrize("image", ["https://a/b.png", {"url": "https://a/b.png", "detail": "low"}])
def test_union_is_read_by_kind(image: object) -> None:
    """A string stays a string and an object becomes its model."""
    part = WirePart.model_validate({"type": "image_url", "image_url": image})
    assert part.image_url == (image if isinstance(image, str) else WireImageUrl(url="https://a/b.png"))


@pytest.mark.parametrize(
    ("extra", "location"),
    [
        ({"stream": "true"}, ("stream",)),
        ({"stream": 1}, ("stream",)),
        ({"n": 1.0}, ("n",)),
        ({"n": True}, ("n",)),
        ({"reasoning_effort": 3}, ("reasoning_effort",)),
        ({"tools": {}}, ("tools",)),
        ({"messages": [USER, {**USER, "content": 7}]}, ("messages", 1, "content")),
        ({"messages": [{**USER, "content": ["Hi"]}]}, ("messages", 0, "content", "an array", 0)),
    ],
)
def test_values_are_strict(extra: dict[str, object], location: tuple[object, ...]) -> None:
    """A value of another kind is refused where it stands, not converted."""
    with pytest.raises(ValidationError) as refused:
        WireChatRequest.model_validate({"model": "m", "messages": [USER], **extra})
    assert [error["loc"] for error in refused.value.errors()] == [location]


def test_lists_fail_fast() -> None:
    """A body of nothing but bad messages makes one error record."""
    with pytest.raises(ValidationError) as refused:
        WireChatRequest.model_validate({"model": "m", "messages": [1] * 10_000})
    assert refused.value.error_count() == 1
