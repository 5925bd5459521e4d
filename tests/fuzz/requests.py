"""Bodies that a client might send: good ones of every kind, and what an odd client or an accident makes of them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.accidents import damaged

PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\ud83d",
    b"\x00",
    b"\xff",
    b"null",
    b"1e999",
    b"-0",
    b"NaN",
]


def _tool(name: Any, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return {"type": "function", "function": {"name": name, "description": "x", "parameters": schema, **more}}


CALL = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path":"a"}'}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
GOOD: Sequence[dict[str, Any]] = [
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]},
    {
        "model": "gpt-4o",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be kind.\nBe exact."},
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]},
            {"role": "assistant", "content": "Three."},
            {"role": "user", "content": "Four?", "name": "eve"},
        ],
    },
    {
        "model": "qwen3-coder-plus",
        "stream": True,
        "tools": [_tool("read_file"), _tool("list_files", strict=True)],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "messages": [
            {"role": "developer", "content": "Use tools."},
            {"role": "user", "content": "Read a"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "text of a"},
        ],
    },
    {
        "model": "gpt-4o",
        "tools": [_tool("read_file")],
        "tool_choice": {"type": "function", "function": {"name": "read_file"}},
        "temperature": 0.5,
        "max_completion_tokens": 100,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, PICTURE]}],
    },
    {
        "model": "gpt-4o",
        "stream": True,
        "reasoning_effort": "high",
        "stop": ["x"],
        "messages": [
            {"role": "system", "content": "## read_file\nUsage:\n<read_file>\n<path>x</path>\n</read_file>"},
            {"role": "user", "content": "<task>Read a</task>"},
            {"role": "assistant", "content": "<read_file>\n<path>a</path>\n</read_file>"},
            {"role": "user", "content": "[read_file for 'a'] Result:\nx"},
        ],
    },
]

ODD: Sequence[Any] = [
    *(None, True, False, 0, -1, 1.5, 2**63, 10**30, "", " ", "\x00", "\ud83d", "auto", "none", "x" * 3000),
    *([], {}, [[]], [None], {"type": "text"}, {"type": "text", "text": None}, {"role": "user"}, {"a": {"b": {}}}),
    *("=== 0123456789ab user ===", "<tool_call>", "\r\n\r\n", "\u2028", "data: [DONE]\n\n", "system", "tool"),
]


def _deep(rng: random.Random) -> bytes:
    opener, closer = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    depth = rng.choice([10, 1000, 50_000])
    return opener * depth + b"1" + closer * rng.choice([depth, depth - 1, 0])


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, inner in items for found in ((value, key), *_places(inner))]


def _odd(rng: random.Random) -> bytes:
    """A good body in which some values are odd, missing, doubled, or in a place that is not theirs."""
    body = json.loads(json.dumps(rng.choice(GOOD)))
    for _ in range(rng.randrange(1, 4)):
        places = _places(body)
        if not places:
            break
        container, key = rng.choice(places)
        match rng.randrange(4):
            case 0:
                del container[key]
            case 1 if isinstance(container, list):
                container.insert(key, container[key])
            case 2:
                other, place = rng.choice(places)
                container[key] = json.loads(json.dumps(other[place]))
            case _:
                container[key] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(body).encode()


def _good(rng: random.Random) -> bytes:
    return json.dumps(rng.choice(GOOD)).encode()


KINDS: Sequence[Callable[[random.Random], bytes]] = (
    *(_good, _good, _good, _good, _good, _odd, _odd, _odd),
    lambda rng: damaged(rng, _good(rng), PIECES),
    lambda rng: rng.randbytes(rng.choice([0, 1, 40])),
    lambda rng: _deep(rng) if rng.random() < 0.1 else damaged(rng, _odd(rng), PIECES, 1),
)


def body(rng: random.Random) -> bytes:
    """One body of a request."""
    return rng.choice(KINDS)(rng)
