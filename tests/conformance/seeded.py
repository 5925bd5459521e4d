"""Good answers, and every fault that can be seeded into them.

The rows are the faults of conformance testing that show in bytes: those the public suites were measured with, and some
more. Two of that list do not show (a buffered stream, an upstream failure passed off as text).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

type Chunks = list[dict[str, Any]]

HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": None}
USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 3,
    "total_tokens": 8,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
TOOLS = ("read_file", "list_files")
ERROR = {
    "error": {"message": "Qwen broke off.", "type": "upstream_error", "param": None, "code": "qwen_answer_cut_off"}
}


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**HEAD, "choices": [choice], "usage": None}


def call(index: int, **rest: Any) -> dict[str, Any]:
    return chunk({"tool_calls": [{"index": index, **rest}]})


def opened(index: int, id_: str, name: str) -> dict[str, Any]:
    return call(index, id=id_, type="function", function={"name": name, "arguments": ""})


def good() -> Chunks:
    """Reasoning, text and two calls, with usage."""
    return copy.deepcopy(
        [
            chunk({"role": "assistant", "content": "", "refusal": None}),
            chunk({"reasoning_content": "Hm."}),
            chunk({"content": "I look."}),
            opened(0, "call_a", "read_file"),
            call(0, function={"arguments": '{"path":'}),
            call(0, function={"arguments": '"a"}'}),
            opened(1, "call_b", "list_files"),
            call(1, function={"arguments": "{}"}),
            chunk({}, "tool_calls"),
            {**HEAD, "choices": [], "usage": USAGE},
        ]
    )


def text_only() -> Chunks:
    """An answer in words, without usage."""
    chunks = [chunk({"role": "assistant", "content": "", "refusal": None}), chunk({"content": "Hi"}), chunk({}, "stop")]
    return [{key: value for key, value in copy.deepcopy(one).items() if key != "usage"} for one in chunks]


def written(chunks: Chunks, end: str = "data: [DONE]\n\n", indent: int | None = None) -> bytes:
    return ("".join(f"data: {json.dumps(one, indent=indent)}\n\n" for one in chunks) + end).encode()


def delta(chunks: Chunks, position: int) -> Any:
    return chunks[position]["choices"][0]["delta"]


def tool(chunks: Chunks, position: int) -> Any:
    return delta(chunks, position)["tool_calls"][0]


def put(target: Any, **values: Any) -> Any:
    target.update(values)
    return target


FAULTS: dict[str, Callable[[Chunks], object]] = {
    "first delta without role": lambda c: delta(c, 0).pop("role"),
    "first delta without content": lambda c: delta(c, 0).pop("content"),
    "a role later": lambda c: put(delta(c, 2), role="assistant"),
    "finish stop with tool calls": lambda c: put(c[8]["choices"][0], finish_reason="stop"),
    "tool delta without index": lambda c: tool(c, 4).pop("index"),
    "tool delta without id": lambda c: tool(c, 3).pop("id"),
    "tool delta without type": lambda c: tool(c, 3).pop("type"),
    "tool delta without name": lambda c: tool(c, 3)["function"].pop("name"),
    "all tool deltas index 0": lambda c: [put(tool(c, position), index=0) for position in (6, 7)],
    "first tool index 1": lambda c: [
        put(tool(c, position), index=tool(c, position)["index"] + 1) for position in range(3, 8)
    ],
    "arguments in the first tool delta": lambda c: put(tool(c, 6)["function"], arguments=" "),
    "id again in a later tool delta": lambda c: put(tool(c, 4), id="call_a"),
    "name again in a later tool delta": lambda c: put(tool(c, 4)["function"], name="read_file"),
    "id changes between chunks": lambda c: put(c[2], id="chatcmpl-2"),
    "id of another API": lambda c: [put(one, id="resp_1") for one in c],
    "created changes between chunks": lambda c: put(c[2], created=2),
    "model changes between chunks": lambda c: put(c[9], model="n"),
    "object of the whole answer": lambda c: [put(one, object="chat.completion") for one in c],
    "created is a float": lambda c: [put(one, created=1.5) for one in c],
    "model missing": lambda c: [one.pop("model") for one in c],
    "no finish chunk": lambda c: c.pop(8),
    "two finish chunks": lambda c: c.insert(8, chunk({}, "tool_calls")),
    "text after the finish chunk": lambda c: c.insert(9, chunk({"content": "x"})),
    "text in the finish chunk": lambda c: put(delta(c, 8), content="x"),
    "an unknown finish_reason": lambda c: put(c[8]["choices"][0], finish_reason="done"),
    "finish_reason missing": lambda c: c[2]["choices"][0].pop("finish_reason"),
    "include_usage ignored": lambda c: c.pop(),
    "usage chunk with a choice": lambda c: put(c[9], choices=chunk({})["choices"]),
    "usage does not add up": lambda c: put(c[9], usage={**USAGE, "total_tokens": 9}),
    "usage is negative": lambda c: put(c[9], usage={**USAGE, "prompt_tokens": -1, "total_tokens": 2}),
    "usage is a float": lambda c: put(c[9], usage={**USAGE, "prompt_tokens": 5.0}),
    "usage detail larger than its whole": lambda c: put(
        c[9], usage={**USAGE, "completion_tokens_details": {"reasoning_tokens": 4}}
    ),
    "usage in an earlier chunk": lambda c: put(c[2], usage=USAGE),
    "usage not null but absent": lambda c: c[2].pop("usage"),
    "usage in the finish chunk": lambda c: put(c[8], usage=c.pop()["usage"]),
    "usage chunk twice": lambda c: c.append(c[9]),
    "arguments cut short": lambda c: c.pop(5),
    "arguments an object, not a string": lambda c: put(tool(c, 7)["function"], arguments={}),
    "arguments an array": lambda c: put(tool(c, 7)["function"], arguments="[]"),
    "duplicate tool call id": lambda c: put(tool(c, 6), id="call_a"),
    "tool call id with a dot": lambda c: put(tool(c, 3), id="call.a"),
    "a tool nobody declared": lambda c: put(tool(c, 3)["function"], name="rm"),
    "tool_calls not an array": lambda c: put(delta(c, 3), tool_calls={}),
    "content not a string": lambda c: put(delta(c, 2), content=["x"]),
    "two choices": lambda c: c[2]["choices"].append(c[2]["choices"][0]),
    "choice of index 1": lambda c: put(c[2]["choices"][0], index=1),
    "an empty chunk": lambda c: c[2].clear(),
    "error object mid-stream": lambda c: c.insert(4, ERROR),
    "error object at the end": lambda c: c.append(ERROR),
    "no chunk at all": lambda c: c.clear(),
}
"""What can be wrong with the chunks of `good`."""

RAW_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "no [DONE]": lambda raw: raw.replace(b"data: [DONE]\n\n", b""),
    "[DONE] twice": lambda raw: raw + b"data: [DONE]\n\n",
    "event after [DONE]": lambda raw: raw + raw[: raw.index(b"\n\n") + 2],
    "[DONE] first": lambda raw: b"data: [DONE]\n\n" + raw.replace(b"data: [DONE]\n\n", b""),
    "[DONE] as a JSON string": lambda raw: raw.replace(b"[DONE]", b'"[DONE]"'),
    "connection cut mid-stream": lambda raw: raw[: len(raw) // 2],
    "connection cut between events": lambda raw: raw[: raw.index(b"\n\n", len(raw) // 2) + 2],
    "pretty-printed JSON": lambda raw: written(good(), indent=1),
    "pretty-printed JSON, line by line": lambda raw: b"data: {\ndata: " + raw.removeprefix(b"data: {"),
    "events ended by one newline": lambda raw: raw.replace(b"\n\n", b"\n"),
    "space before the colon": lambda raw: raw.replace(b"data: ", b"data : "),
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "not UTF-8": lambda raw: raw.replace(b"Hm.", b"\xe9"),
    "a JSON error page in place of the stream": lambda raw: json.dumps(ERROR).encode(),
    "nothing": lambda raw: b"",
}
"""What can be wrong with the bytes around them."""


def body() -> dict[str, Any]:
    """A good answer of text and a call, not streamed."""
    function = {"name": "read_file", "arguments": '{"path":"a"}'}
    message = {
        "role": "assistant",
        "content": "I look.",
        "refusal": None,
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "call_a", "type": "function", "function": function}],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    return copy.deepcopy({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def message(obj: dict[str, Any]) -> Any:
    """Of a whole answer, or of its choice."""
    return obj.get("choices", [obj])[0]["message"]


BODY_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "without usage": lambda o: o.pop("usage"),
    "usage null": lambda o: put(o, usage=None),
    "usage does not add up": lambda o: put(o, usage={**USAGE, "total_tokens": 1}),
    "object of a chunk": lambda o: put(o, object="chat.completion.chunk"),
    "id without prefix": lambda o: put(o, id="1"),
    "created a string": lambda o: put(o, created="1"),
    "no choices": lambda o: put(o, choices=[]),
    "two choices": lambda o: o["choices"].append(o["choices"][0]),
    "delta in place of message": lambda o: put(o["choices"][0], delta=o["choices"][0].pop("message")),
    "finish_reason missing": lambda o: o["choices"][0].pop("finish_reason"),
    "finish stop with tool calls": lambda o: put(o["choices"][0], finish_reason="stop"),
    "role missing": lambda o: message(o).pop("role"),
    "content missing": lambda o: message(o).pop("content"),
    "reasoning null": lambda o: put(message(o), reasoning_content=None),
    "tool_calls empty": lambda o: put(message(o), tool_calls=[]),
    "tool_calls null": lambda o: put(message(o), tool_calls=None),
    "arguments not JSON": lambda o: put(message(o)["tool_calls"][0]["function"], arguments="{"),
    "arguments an object": lambda o: put(message(o)["tool_calls"][0]["function"], arguments={}),
    "a call without id": lambda o: message(o)["tool_calls"][0].pop("id"),
    "a tool nobody declared": lambda o: put(message(o)["tool_calls"][0]["function"], name="rm"),
    "empty": lambda o: put(message(put(o["choices"][0], finish_reason="stop")), content="").pop("tool_calls"),
}
