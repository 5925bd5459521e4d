"""The stream faults that a bridge may have, each as a change of our own writers: mutants, to test the tests.

The rows are the 29 faults that public conformance suites were measured with, and some of our own. Nothing in the
product knows of them: a mutant replaces methods of the writers, or a name that only their own module looks up, so that
it works on whoever has imported them before. `mutation.py` runs the tests against each and prints which of them notice.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import orjson

from qwen_bridge.events import ResponseFailed, StreamEvent, TextDelta, ToolCallDelta, ToolCallStarted
from qwen_bridge.exchange import reply
from qwen_bridge.surfaces import models
from qwen_bridge.surfaces.chat_completions import body, stream
from qwen_bridge.surfaces.chat_completions.body import BodyEncoder
from qwen_bridge.surfaces.chat_completions.stream import StreamEncoder
from qwen_bridge.surfaces.chat_completions.surface import ChatCompletions

type Patch = Callable[[object, str, object], None]
"""`setattr`, or pytest's, which takes it back."""

type Mutant = Callable[[Patch], None]

_EVENT = re.compile(rb"data: ([^\n]*)\n\n")
_STRING = re.compile(rb'"arguments":("(?:[^"\\]|\\.)+")')
_HELD: dict[int, list[bytes]] = {}


def _around(patch: Patch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """`change` is called with what `owner.name` was, and then the arguments."""
    was = getattr(owner, name)
    patch(owner, name, lambda *args, **more: change(was, *args, **more))


def _pieces(patch: Patch, change: Callable[[bytes], bytes]) -> None:
    """Every piece that the stream's writer hands out is changed."""

    def changed(was: Any, *args: Any) -> Sequence[bytes]:
        return [change(piece) for piece in was(*args)]

    _around(patch, StreamEncoder, "feed", changed)
    _around(patch, StreamEncoder, "close", changed)


def _replaced(old: bytes, new: bytes) -> Mutant:
    return lambda patch: _pieces(patch, lambda piece: re.sub(old, new, piece))


def _deltas(patch: Patch, change: Callable[[StreamEvent], StreamEvent]) -> None:
    """Both writers hear something else."""
    for writer in (StreamEncoder, BodyEncoder):
        _around(patch, writer, "feed", lambda was, self, event: was(self, change(event)))


def harmless(patch: Patch) -> None:
    """All that mutants do to be heard, and no fault: what fails under this one is not noticed but broken."""
    _pieces(patch, lambda piece: piece)
    _deltas(patch, lambda event: event)


def _without_done(patch: Patch) -> None:
    patch(stream, "DONE", b"")


def _stop_with_calls(patch: Patch) -> None:
    for writer in (stream, body):
        patch(writer, "finish_reason", lambda reason, *, calls: "stop" if reason == "tool_calls" else reason)


def _changing_id(patch: Patch) -> None:
    count = itertools.count()
    _pieces(patch, lambda piece: piece.replace(b'"id":"chatcmpl-', b'"id":"chatcmpl-%d' % next(count)))


def _without_finish(patch: Patch) -> None:
    def left_out(found: re.Match[bytes]) -> bytes:
        return b"" if b'"finish_reason":"' in found[0] else found[0]

    _pieces(patch, lambda piece: _EVENT.sub(left_out, piece))


def _usage_ignored(patch: Patch) -> None:
    _around(patch, StreamEncoder, "__init__", lambda was, self, head, **_: was(self, head, include_usage=False))


def _wrong_sum(patch: Patch) -> None:
    for writer in (stream, body):
        _around(patch, writer, "usage_object", lambda was, usage: was(usage) | {"total_tokens": usage.prompt + 1})


def _as_json(patch: Patch) -> None:
    patch(ChatCompletions, "content_type", lambda _self, _request: "application/json")


def _cut_arguments(patch: Patch) -> None:
    def cut(event: StreamEvent) -> StreamEvent:
        return ToolCallDelta(event.index, event.arguments[:-1]) if isinstance(event, ToolCallDelta) else event

    _deltas(patch, cut)


def _object_arguments(patch: Patch) -> None:
    def bare(found: re.Match[bytes]) -> bytes:
        text = json.loads(found[1])
        try:
            return b'"arguments":' + json.dumps(json.loads(text)).encode()
        except ValueError:
            return b'"arguments":{}'

    _pieces(patch, lambda piece: _STRING.sub(bare, piece))

    def whole(was: Any, self: BodyEncoder) -> dict[str, Any]:
        message: dict[str, Any] = was(self)
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = {}
        return message

    _around(patch, BodyEncoder, "_message", whole)


def _one_call_id(patch: Patch) -> None:
    def same(event: StreamEvent) -> StreamEvent:
        return ToolCallStarted(event.index, "call_same", event.name) if isinstance(event, ToolCallStarted) else event

    _deltas(patch, same)


def _no_words(patch: Patch) -> None:
    _deltas(patch, lambda event: TextDelta("") if isinstance(event, TextDelta) else event)


def _error_as_words(patch: Patch) -> None:
    """An upstream fault becomes the assistant's text: in the stream, and in place of a refusal."""

    def said(was: Any, self: StreamEncoder, event: StreamEvent) -> Sequence[bytes]:
        if isinstance(event, ResponseFailed) and self._state.name == "SPEAKING":
            return [*was(self, TextDelta(event.error.message)), *self._end("stop")]
        return list(was(self, event))

    def whole(was: Any, status: int, content: bytes, headers: Any = ()) -> Any:
        if status < 400:
            return was(status, content, headers)
        message = {"role": "assistant", "content": json.loads(content)["error"]["message"]}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return was(200, json.dumps({"object": "chat.completion", "choices": choices}).encode(), headers)

    _around(patch, StreamEncoder, "feed", said)
    _around(patch, reply, "whole", whole)


def _cut_end(patch: Patch) -> None:
    """The last bytes of a stream do not come."""
    _around(patch, StreamEncoder, "_end", lambda was, self, reason: [b"".join(was(self, reason))[:40]])


def _error_between(patch: Patch) -> None:
    error = b'data: {"error":{"message":"x","type":"y","param":null,"code":null}}\n\n'
    _pieces(patch, lambda piece: piece + error if b'"role":"assistant"' in piece else piece)


def _pretty(patch: Patch) -> None:
    def spread(found: re.Match[bytes]) -> bytes:
        if found[1] == b"[DONE]":
            return found[0]
        return b"data: " + json.dumps(json.loads(found[1]), indent=1).encode() + b"\n\n"

    _pieces(patch, lambda piece: _EVENT.sub(spread, piece))


def _buffered(patch: Patch) -> None:
    """Nothing leaves before the end."""

    def begun(was: Any, self: StreamEncoder, head: Any, **more: Any) -> None:
        was(self, head, **more)
        _HELD[id(self)] = []

    def fed(was: Any, self: StreamEncoder, *event: StreamEvent) -> Iterable[bytes]:
        held = _HELD.setdefault(id(self), [])
        held += was(self, *event)
        if self._state.name != "OVER":
            return []
        whole = b"".join(held)
        held.clear()
        return [whole] if whole else []

    _around(patch, StreamEncoder, "__init__", begun)
    _around(patch, StreamEncoder, "feed", fed)
    _around(patch, StreamEncoder, "close", fed)


def _after_done(patch: Patch) -> None:
    def more(was: Any, self: StreamEncoder, reason: Any) -> Sequence[bytes]:
        return [*was(self, reason), self._written(b"{}")]

    _around(patch, StreamEncoder, "_end", more)


def _bare_models(patch: Patch) -> None:
    def dumps(value: Any) -> bytes:
        return orjson.dumps(value if "data" not in value else {"data": value["data"]})

    patch(models, "orjson", SimpleNamespace(dumps=dumps, Fragment=orjson.Fragment))


def _plain_errors(patch: Patch) -> None:
    def plain(was: Any, status: int, content: bytes, headers: Any = ()) -> Any:
        if status < 400:
            return was(status, content, headers)
        effects = was(500, b"Internal Server Error", headers)
        return [_as_text(effects[0]), *effects[1:]]

    _around(patch, reply, "whole", plain)


def _as_text(begin: Any) -> Any:
    return type(begin)(begin.status, (("content-type", "text/plain"), *begin.headers[1:]))


def _body_without_usage(patch: Patch) -> None:
    def poorer(was: Any, self: BodyEncoder, reason: Any) -> dict[str, Any]:
        return {key: value for key, value in was(self, reason).items() if key != "usage"}

    _around(patch, BodyEncoder, "_completion", poorer)


MUTANTS: dict[str, Mutant] = {
    "first delta without role": _replaced(rb'"role":"assistant",', b""),
    "no [DONE]": _without_done,
    "finish stop with tool calls": _stop_with_calls,
    "tool delta without index": _replaced(rb'"tool_calls":\[\{"index":\d+,', b'"tool_calls":[{'),
    "tool delta without id": _replaced(rb'"id":"[^"]*","type":"function"', b'"type":"function"'),
    "all tool deltas index 0": _replaced(rb'"tool_calls":\[\{"index":\d+', b'"tool_calls":[{"index":0'),
    "id changes between chunks": _changing_id,
    "object of the whole answer in chunks": _replaced(rb"chat\.completion\.chunk", b"chat.completion"),
    "created is a float": _replaced(rb'"created":(\d+)', rb'"created":\1.5'),
    "no finish chunk": _without_finish,
    "include_usage ignored": _usage_ignored,
    "usage chunk with a choice": _replaced(
        rb'"choices":\[\],', b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":null}],'
    ),
    "usage does not add up": _wrong_sum,
    "stream sent as application/json": _as_json,
    "arguments cut short": _cut_arguments,
    "arguments an object, not a string": _object_arguments,
    "duplicate tool call id": _one_call_id,
    "empty content": _no_words,
    "upstream error as assistant text": _error_as_words,
    "connection cut mid-stream": _cut_end,
    "error object mid-stream": _error_between,
    "pretty-printed JSON in data": _pretty,
    "events ended by one newline": _replaced(rb"\n\n", b"\n"),
    "space before the colon": _replaced(rb"(?m)^data: ", b"data : "),
    "whole stream buffered": _buffered,
    "event after [DONE]": _after_done,
    "models without object": _bare_models,
    "plain-text 500 on a bad request": _plain_errors,
    "body without usage": _body_without_usage,
}
"""The 29, in the order of the matrix that the public suites were measured with."""
