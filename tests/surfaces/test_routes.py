from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_bridge.errors import MethodNotAllowed, RequestError, UnknownRoute
from qwen_bridge.surfaces.routes import ChatCompletions, GetModel, ListModels, Preflight, Route, route, route_name
from tests.harness.shared import CLIENTS, needs_shared


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/chat/completions", ChatCompletions()),
        ("POST", "/chat/completions", ChatCompletions()),
        ("POST", "/v1/chat/completions/", ChatCompletions()),
        ("POST", "/v1//chat/completions", ChatCompletions()),
        ("POST", "/v1/v1/chat/completions", ChatCompletions()),
        ("post", "/v1/chat/completions?api-version=1#x", ChatCompletions()),
        ("GET", "/v1/models", ListModels()),
        ("HEAD", "/v1/models", ListModels()),
        ("GET", "/models/?limit=1", ListModels()),
        ("GET", "/v1/models#x", ListModels()),
        ("GET", "/v1/models/qwen3-max", GetModel("qwen3-max")),
        ("HEAD", "/v1/models/qwen3-max/", GetModel("qwen3-max")),
        ("GET", "/v1/models/Qwen/Qwen3-32B", GetModel("Qwen/Qwen3-32B")),
        ("GET", "/v1/models/Qwen%2FQwen3%2D32B", GetModel("Qwen/Qwen3-32B")),
        ("GET", "/models/%E9%80%9A?x", GetModel("通")),
        ("GET", "/models/a%FFb%", GetModel("a\ufffdb%")),
        ("GET", "/v1/models/v1", GetModel("v1")),
        ("OPTIONS", "/v1/chat/completions", Preflight(("POST",))),
        ("OPTIONS", "/v1/models", Preflight(("GET", "HEAD"))),
        ("OPTIONS", "/v1/models/x", Preflight(("GET", "HEAD"))),
    ],
)
def test_path_is_found(method: str, path: str, expected: Route) -> None:
    """Each form of a served path leads to the same place."""
    assert route(method, path) == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/v1/responses", '"OpenAI Compatible"'),
        ("/responses/resp_1", '"OpenAI Compatible"'),
        ("/v1/completions", "Chat Completions"),
        ("/v1/embeddings", "embeddings"),
        ("/v1/audio/speech", "neither hears nor speaks"),
        ("/v1/images/generations", "no pictures"),
        ("/v1/files", "Send the text in a message"),
        ("/v1/moderations", "another provider"),
        ("/v1/threads/thread_1/runs", "Chat Completions"),
        ("/v1/batches", "another provider"),
        ("/v1/chat", "Unknown request URL"),
        ("/v1/chat/completions/chatcmpl-1", "Unknown request URL"),
        ("/v2/models", "Unknown request URL"),
        ("/", "Unknown request URL: POST /"),
        ("", "Unknown request URL"),
        ("*", "Unknown request URL"),
    ],
)
def test_unknown_path_is_told_what_is_served(path: str, words: str) -> None:
    """A path that is not served gets a sentence with what is, and what to set in the client."""
    with pytest.raises(UnknownRoute, match=words) as refused:
        route("POST", path)
    assert "This bridge serves POST /v1/chat/completions" in refused.value.message


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/v1/chat/completions", "takes POST, not GET"),
        ("POST", "/v1/models", "takes GET or HEAD, not POST"),
        ("DELETE", "/v1/models/x", "takes GET or HEAD, not DELETE"),
    ],
)
def test_wrong_method_is_told_the_right_one(method: str, path: str, words: str) -> None:
    """A served path with another method says which it takes."""
    with pytest.raises(MethodNotAllowed, match=words):
        route(method, path)


def test_refusal_hides_the_query_and_stays_short() -> None:
    """A key in the query is not repeated, nor a path of any length."""
    with pytest.raises(UnknownRoute) as refused:
        route("GET", "/" + "x" * 10_000 + "?key=secret")
    assert "secret" not in refused.value.message
    assert len(refused.value.message) < 500


@needs_shared
def test_recorded_requests_are_found() -> None:
    """Every recorded chat request is served, and every request of the Responses API is told why not."""
    for file in sorted(CLIENTS.glob("*/*.json")):
        recorded = json.loads(file.read_text(encoding="utf-8"))
        path = recorded["path"][recorded["path"].index("/v1/") :]  # the recorder put the client's name in front
        if path.endswith("/responses"):
            with pytest.raises(UnknownRoute):
                route(recorded["method"], path)
        else:
            assert route(recorded["method"], path) == ChatCompletions()


@given(st.text(max_size=10), st.text(max_size=40).map(lambda text: "/v1/models/" + text) | st.text(max_size=40))
@settings(deadline=None)
def test_any_target_is_a_route_or_a_request_error(method: str, path: str) -> None:
    """No method and no path raises anything else, and what is said of it can be written as UTF-8."""
    try:
        found = route(method, path)
    except RequestError as error:
        error.message.encode()
    else:
        assert isinstance(found, ChatCompletions | ListModels | GetModel | Preflight)


def test_raw_bytes_in_a_path_can_be_written() -> None:
    """A byte that is no UTF-8, which arrives as a lone surrogate, is replaced."""
    assert route("GET", "/v1/models/a\udcff") == GetModel("a\ufffd\ufffd\ufffd")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "chat_completions"),
        ("GET", "/models?x=1", "list_models"),
        ("GET", "/v1/models/a/b", "get_model"),
        ("OPTIONS", "/v1/models", "preflight"),
        ("GET", "/v1/my-secret-words", "unknown"),
        ("DELETE", "/v1/models", "unknown"),
    ],
)
def test_a_route_has_a_word_for_counters(method: str, path: str, name: str) -> None:
    """One word for each route, and one for everything that is none: nobody's path becomes a label."""
    assert route_name(method, path) == name
