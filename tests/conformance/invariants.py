"""The judge of what a client receives: OpenAI's promises about an answer, checked on its bytes.

Each `check_…` takes an answer as it came over the wire and returns the list of broken promises in words; an empty list
means good. None raises because of what it is given. The code shares nothing with the encoders it judges: it has its own
reading of SSE (`framing`), the standard library's JSON, no model of the bridge. `test_invariants.py` seeds faults into
good answers and shows that each is seen.

Two promises cannot be seen in bytes and are not checked here: that the stream arrives in small pieces as it grows, and
that an upstream failure is not passed off as the assistant's words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise
from typing import Any

from tests.conformance.framing import DONE, read_events, strict_json

_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What Roo Code keeps of an id: it rewrites any other character, and the id no longer ties call and answer."""

_REASONS = ("stop", "length", "tool_calls", "content_filter")
_CUT_REASONS = ("length", "content_filter")


def check_stream(
    raw: bytes, *, include_usage: bool, tools: Collection[str] = (), expect_error: bool = False
) -> list[str]:
    """Judge a whole stream of `/v1/chat/completions`.

    `include_usage` is what the request asked; `tools` are the names it declared, and a call of any other is a fault.
    With `expect_error` the stream must break off with an error event; without, it must end well.
    """
    payloads, found = read_events(raw)
    found += _end(payloads, expect_error=expect_error)
    chunks = [payload for payload in payloads if payload is not DONE and not _is_error(payload)]
    for position, chunk in enumerate(chunks):
        found += [f"chunk {position}: {fault}" for fault in _chunk_shape(chunk)]
    if found:
        return found  # the rules below read fields whose shape was just refused
    found += _identity(chunks)
    found += _roles(chunks)
    found += _finish(chunks, expect_error=expect_error)
    found += _stream_calls(chunks, tools, expect_error=expect_error)
    found += _stream_usage(chunks, include_usage=include_usage, expect_error=expect_error)
    if not expect_error and not _visible(chunks):
        found.append("the answer is empty: no content, no call")
    return found


def check_body(obj: Any, *, tools: Collection[str] = ()) -> list[str]:
    """Judge the decoded object of an answer that was not streamed."""
    match obj:
        case {"object": "chat.completion", "choices": [{"index": 0, "message": dict(message)} as choice], **rest}:
            found = [*_head(rest), *_reason(choice.get("finish_reason")), *_message(message, tools)]
            calls = message.get("tool_calls")
            if not found and not _reason_fits(choice["finish_reason"], calls=bool(calls)):
                found.append(f"finish_reason is {choice['finish_reason']} with {len(calls or ())} calls")
            return found + _usage(rest.get("usage"))
        case _:
            return ["not a chat.completion with one choice and a message"]


def check_error(status: int, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Judge an answer that refuses: an HTTP error status, JSON, OpenAI's envelope."""
    found = [] if 400 <= status <= 599 else [f"status {status} is not an error"]
    found += _content_type(headers, "application/json")
    try:
        return found + _envelope(strict_json(body.decode()))
    except (ValueError, RecursionError):
        return [*found, "the body is not JSON"]


def check_head(status: int, headers: Mapping[str, str], *, stream: bool) -> list[str]:
    """Judge status and content type of an answer that succeeds."""
    found = [] if status == 200 else [f"status {status} is not 200"]
    return found + _content_type(headers, "text/event-stream" if stream else "application/json")


def check_models(obj: object) -> list[str]:
    """Judge the decoded answer to `GET /v1/models`."""
    match obj:
        case {"object": "list", "data": list(cards)}:
            found = [fault for card in cards for fault in check_model(card)]
            ids = [card["id"] for card in cards] if not found else []
            return found + [f"model {id_} is listed twice" for id_ in set(ids) if ids.count(id_) > 1]
        case _:
            return ["not an object of type list with data"]


def check_model(obj: object) -> list[str]:
    """Judge the decoded answer to `GET /v1/models/{id}`, or one entry of the list."""
    match obj:
        case {"id": str(id_), "object": "model", "created": created, "owned_by": str()} if id_ and _is_count(created):
            return []
        case _:
            return ["not a model with id, created and owned_by"]


def _end(payloads: list[Any], *, expect_error: bool) -> Iterator[str]:
    """One `[DONE]`, last; or, where a failure is expected, one error event, last, and no `[DONE]`."""
    errors = [payload for payload in payloads if _is_error(payload)]
    if payloads.count(DONE) != (0 if expect_error else 1):
        yield f"[DONE] came {payloads.count(DONE)} times"
    if len(errors) != (1 if expect_error else 0):
        yield f"{len(errors)} error events"
    if payloads and payloads[-1] is not DONE and payloads[-1] not in errors:
        yield "events after the last, or none that ends the stream"
    for error in errors:
        yield from _envelope(error)


def _is_error(payload: object) -> bool:
    return isinstance(payload, dict) and "error" in payload


def _envelope(obj: object) -> list[str]:
    match obj:
        case {"error": {"message": str(message), "type": str(kind), "param": str() | None, "code": str() | None}}:
            return [] if message.strip() and kind else ["an error without words or type"]
        case _:
            return ["not an error object with message, type, param and code"]


def _content_type(headers: Mapping[str, str], wanted: str) -> list[str]:
    given = {name.lower(): value for name, value in headers.items()}.get("content-type", "")
    return [] if given.partition(";")[0].strip().lower() == wanted else [f"content-type is {given!r}, not {wanted}"]


def _chunk_shape(chunk: Any) -> Iterator[str]:
    match chunk:
        case {"object": "chat.completion.chunk", "choices": [], **rest}:
            yield from _head(rest)
        case {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": dict(delta), **choice}], **rest}:
            yield from _head(rest)
            yield from _delta_shape(delta)
            reason = choice.get("finish_reason", "missing")
            yield from _reason(reason) if reason is not None else ()
        case _:
            yield "not a chat.completion.chunk with at most one choice, of index 0, with a delta"


def _head(obj: Mapping[Any, Any]) -> Iterator[str]:
    id_, created, model = obj.get("id"), obj.get("created"), obj.get("model")
    if not (isinstance(id_, str) and id_.startswith("chatcmpl-") and id_ != "chatcmpl-"):
        yield f"id is {id_!r}"
    if not _is_count(created):
        yield f"created is {created!r}"
    if not (isinstance(model, str) and model):
        yield f"model is {model!r}"


def _delta_shape(delta: Mapping[str, Any]) -> Iterator[str]:
    for field in ("content", "reasoning_content", "refusal"):
        if not isinstance(delta.get(field), str | None):
            yield f"{field} is not a string"
    calls = delta.get("tool_calls", [])
    if not isinstance(calls, list):
        yield "tool_calls is not an array"
        return
    for call in calls:
        match call:
            case {"index": index, "function": {"arguments": str()}} if _is_count(index):
                pass
            case _:
                yield "a tool delta without index, function or arguments as a string"


def _reason(reason: object) -> list[str]:
    return [] if reason in _REASONS else [f"finish_reason is {reason!r}"]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _identity(chunks: list[Any]) -> Iterator[str]:
    for field in ("id", "created", "model", "system_fingerprint"):
        if any(one.get(field) != other.get(field) for one, other in pairwise(chunks)):
            yield f"{field} changes within the stream"


def _choices(chunks: list[Any]) -> list[Any]:
    return [chunk["choices"][0] for chunk in chunks if chunk["choices"]]


def _roles(chunks: list[Any]) -> Iterator[str]:
    deltas = [choice["delta"] for choice in _choices(chunks)]
    if deltas and (deltas[0].get("role"), deltas[0].get("content")) != ("assistant", ""):
        yield "the first delta is not the assistant's role with empty content"
    if any("role" in delta for delta in deltas[1:]):
        yield "a role after the first delta"


def _finish(chunks: list[Any], *, expect_error: bool) -> Iterator[str]:
    choices = _choices(chunks)
    finished = [position for position, choice in enumerate(choices) if choice["finish_reason"] is not None]
    if expect_error:
        if finished:
            yield "a finish_reason in a stream that failed"
        return
    if len(finished) != 1:
        yield f"{len(finished)} finish_reasons"
        return
    if finished[0] != len(choices) - 1:
        yield "choices after the finish_reason"
    if choices[finished[0]]["delta"]:
        yield "the finish chunk has a delta"


def _visible(chunks: list[Any]) -> bool:
    deltas = [choice["delta"] for choice in _choices(chunks)]
    return any(delta.get("content") or delta.get("refusal") or delta.get("tool_calls") for delta in deltas)


def _stream_calls(chunks: list[Any], tools: Collection[str], *, expect_error: bool) -> Iterator[str]:
    choices = _choices(chunks)
    calls: list[dict[str, Any]] = []
    for delta in (delta for choice in choices for delta in choice["delta"].get("tool_calls", ())):
        if delta["index"] < len(calls):
            calls[delta["index"]]["function"]["arguments"] += delta["function"]["arguments"]
            if delta.keys() - {"index", "function"} or delta["function"].keys() - {"arguments"}:
                yield "a later tool delta has more than index and arguments"
            continue
        if delta["index"] != len(calls):
            yield f"tool index {delta['index']} where {len(calls)} is next"
            return
        if delta["function"]["arguments"]:
            yield "the first tool delta has arguments already"
        calls.append({**delta, "function": {**delta["function"]}})
    yield from _calls(calls, tools, cut=expect_error)
    if not expect_error and choices and not _reason_fits(choices[-1]["finish_reason"], calls=bool(calls)):
        yield f"finish_reason is {choices[-1]['finish_reason']} with {len(calls)} calls"


def _stream_usage(chunks: list[Any], *, include_usage: bool, expect_error: bool) -> Iterator[str]:
    if not include_usage:
        if any("usage" in chunk or not chunk["choices"] for chunk in chunks):
            yield "usage that was not asked for"
        return
    body, last = (chunks, None) if expect_error else (chunks[:-1], chunks[-1] if chunks else {})
    if any(chunk.get("usage", "missing") is not None or not chunk["choices"] for chunk in body):
        yield "a chunk before the last whose usage is not null, or without a choice"
    if last is not None:
        if last.get("choices"):
            yield "the last chunk has a choice"
        yield from _usage(last.get("usage"))


def _message(message: Mapping[str, Any], tools: Collection[str]) -> Iterator[str]:
    calls = message.get("tool_calls", [])
    content = message.get("content", False)
    if message.get("role") != "assistant":
        yield "the message is not the assistant's"
    if not isinstance(content, str | None) or not isinstance(message.get("reasoning_content", ""), str):
        yield "content or reasoning_content is not a string"
    if not isinstance(calls, list) or ("tool_calls" in message and not calls):
        yield "tool_calls is not an array with entries"
    elif not calls and not content and not message.get("refusal"):
        yield "the answer is empty: no content, no call"
    else:
        yield from _calls(calls, tools, cut=False)


def _calls(calls: list[Any], tools: Collection[str], *, cut: bool) -> Iterator[str]:
    ids: list[str] = []
    for call in calls:
        match call:
            case {"id": str(id_), "type": "function", "function": {"name": str(name), "arguments": str(arguments)}}:
                ids.append(id_)
                if not _CALL_ID.fullmatch(id_):
                    yield f"tool call id {id_!r}"
                if name not in tools:
                    yield f"a call of {name!r}, which the request did not declare"
                if not cut and not _is_object(arguments):
                    yield f"the arguments of {name!r} are not a JSON object"
            case _:
                yield "a tool call without id, type function, name or arguments as a string"
    if len(set(ids)) < len(ids):
        yield "two tool calls with one id"


def _is_object(text: str) -> bool:
    try:
        return isinstance(strict_json(text), dict)
    except (ValueError, RecursionError):
        return False


def _reason_fits(reason: str, *, calls: bool) -> bool:
    return (reason == "tool_calls") is calls or reason in _CUT_REASONS


def _usage(usage: Any) -> list[str]:
    match usage:
        case {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **rest}:
            if not (_is_count(prompt) and _is_count(completion) and _is_count(total)):
                return ["usage with numbers that are no counts"]
            found = [] if total == prompt + completion else [f"usage: {total} is not {prompt} + {completion}"]
            parts = ((rest.get("prompt_tokens_details"), prompt), (rest.get("completion_tokens_details"), completion))
            for details, whole in parts:
                if isinstance(details, dict) and not all(
                    _is_count(part) and part <= whole for part in details.values()
                ):
                    found.append("usage with a detail larger than the whole")
            return found
        case _:
            return ["no usage"]
