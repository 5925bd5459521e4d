"""Which request is which: method and path → `Route`.

A base URL is typed by people and completed by clients, so one path comes in several forms: with `/v1`, without it or
with it twice, with a trailing or a doubled slash, with a query. A model id may hold slashes, plain or escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from qwen_bridge.errors import MethodNotAllowed, RequestError, UnknownRoute


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """`POST /v1/chat/completions`."""


@dataclass(frozen=True, slots=True)
class ListModels:
    """`GET` or `HEAD` of `/v1/models`."""


@dataclass(frozen=True, slots=True)
class GetModel:
    """`GET` or `HEAD` of `/v1/models/{id}`; `id` is unescaped."""

    id: str


@dataclass(frozen=True, slots=True)
class Preflight:
    """`OPTIONS` of a served path, which a browser sends ahead of a request from another origin.

    `methods` are those the path takes, for `allow` and `access-control-allow-methods`.
    """

    methods: tuple[str, ...]


type Route = ChatCompletions | ListModels | GetModel | Preflight

_READ = ("GET", "HEAD")

_TABLE: dict[tuple[str, ...], tuple[tuple[str, ...], Route]] = {
    ("chat", "completions"): (("POST",), ChatCompletions()),
    ("models",): (_READ, ListModels()),
}
"""Path without `v1` → the methods it takes, what it asks for. A model's own path has an id in it: see `_served`."""

_SERVED = "POST /v1/chat/completions, GET /v1/models and GET /v1/models/{id}"

_USE_CHAT = 'Set the client\'s provider to "OpenAI Compatible", or its API to Chat Completions, with the same base URL.'

_ELSEWHERE = "Choose another provider for it in the client."

_NOT_SERVED = {
    # What the provider called "OpenAI" uses in Roo Code, Cline, Kilo Code, opencode and codex.
    "responses": f"The Responses API is not served. {_USE_CHAT}",
    "completions": f"The legacy text completions API is not served. {_USE_CHAT}",
    # Roo Code and Kilo Code ask for these to index a code base.
    "embeddings": "Qwen's web chat makes no embeddings. Choose another provider for code indexing in the client.",
    "audio": f"Qwen's web chat neither hears nor speaks here. {_ELSEWHERE}",
    "realtime": f"Qwen's web chat neither hears nor speaks here. {_ELSEWHERE}",
    "images": f"This bridge makes no pictures. {_ELSEWHERE}",
    "videos": f"This bridge makes no videos. {_ELSEWHERE}",
    "moderations": f"Qwen's web chat judges no texts. {_ELSEWHERE}",
    **dict.fromkeys(("files", "uploads", "vector_stores"), "This bridge keeps no files. Send the text in a message."),
    **dict.fromkeys(("assistants", "threads", "conversations", "chatkit"), f"This API is not served. {_USE_CHAT}"),
    **dict.fromkeys(("batches", "fine_tuning", "evals", "containers"), f"A web chat has none of this. {_ELSEWHERE}"),
}
"""First part of a path of OpenAI's → what to do instead."""

_SHOWN = 200
"""Characters of a refused path or method that an error repeats."""


def route(method: str, path: str) -> Route:
    """Find what a request asks for; `path` is the request target, with or without a query.

    Raises `UnknownRoute` for a path that is not served, with words on what to use instead, and `MethodNotAllowed` for
    a served path with a method it does not take.
    """
    path = _bare(path)
    segments = _segments(path)
    verb = method.upper()
    served = _served(segments)
    if served is None:
        raise UnknownRoute(_refusal(verb, path, segments))
    methods, asked = served
    if verb in methods:
        return asked
    if verb == "OPTIONS":
        return Preflight(methods)
    raise MethodNotAllowed(f"{path[:_SHOWN]} takes {' or '.join(methods)}, not {verb[:_SHOWN]}.")


def route_name(method: str, path: str) -> str:
    """What a request asks for as a word for log and counters: `chat_completions`, `list_models`, … or `unknown`."""
    try:
        name = type(route(method, path)).__name__
    except RequestError:
        return "unknown"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _served(segments: tuple[str, ...]) -> tuple[tuple[str, ...], Route] | None:
    match segments:
        case ("models", _, *_):
            return _READ, GetModel(unquote("/".join(segments[1:])))
        case _:
            return _TABLE.get(segments)


def _bare(path: str) -> str:
    """The path without its query, which may hold a key; as a text that UTF-8 can carry (raw bytes arrive escaped)."""
    bare = path.partition("?")[0].partition("#")[0]
    return bare.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _segments(path: str) -> tuple[str, ...]:
    segments = [segment for segment in path.split("/") if segment]
    while segments[:1] == ["v1"]:
        del segments[0]
    return tuple(segments)


def _refusal(verb: str, path: str, segments: tuple[str, ...]) -> str:
    known = _NOT_SERVED.get(segments[0]) if segments else None
    return f"{known or f'Unknown request URL: {verb[:_SHOWN]} {path[:_SHOWN]}.'} This bridge serves {_SERVED}."
