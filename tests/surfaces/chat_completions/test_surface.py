from __future__ import annotations

import json

import pytest

from qwen_bridge.errors import RequestError
from qwen_bridge.events import ResponseEnded, StreamEvent, TextDelta
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions
from qwen_bridge.surfaces.surface import AnswerHead, Surface
from tests.conformance.invariants import check_body, check_head, check_stream
from tests.surfaces.chat_completions.answers import output

SURFACE: Surface = ChatCompletions()
EVENTS: list[StreamEvent] = [TextDelta("Hi"), ResponseEnded("stop")]


@pytest.mark.parametrize("include_usage", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_answer_is_in_the_form_that_was_asked(stream: bool, include_usage: bool) -> None:
    """The request decides between stream and object, over usage, and over the content type."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    request = SURFACE.parse(json.dumps({**body, "stream_options": {"include_usage": include_usage}}).encode())
    raw = output(SURFACE.encoder(AnswerHead(SURFACE.id_prefix + "1", 1, request.model), request), EVENTS)
    assert check_head(200, {"content-type": SURFACE.content_type(request)}, stream=stream) == []
    if stream:
        assert check_stream(raw, include_usage=include_usage) == []
    else:
        assert check_body(json.loads(raw)) == []


def test_bad_body_is_a_request_error() -> None:
    """What cannot be read is refused as the protocol promises."""
    with pytest.raises(RequestError):
        SURFACE.parse(b"")
