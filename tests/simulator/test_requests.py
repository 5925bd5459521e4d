from __future__ import annotations

import pytest

from qwen_bridge.simulator.requests import Reply, Request


def test_a_target_is_path_and_query() -> None:
    """The query is decoded, the path is not, and an empty value is a value."""
    request = Request(method="GET", target="/a%20b?x=1&y=%20&z", headers={})
    assert request.path == "/a%20b"
    assert request.query == {"x": "1", "y": " ", "z": ""}


@pytest.mark.parametrize(
    ("jar", "value"),
    [("token=a", "a"), ("x=1; token=a=b ;y", "a=b"), ("nottoken=a", None), ("", None), ("token", None), ("token=", "")],
)
def test_a_cookie_is_found_in_its_jar(jar: str, value: str | None) -> None:
    """A cookie is found by its whole name, whatever else is in the jar."""
    assert Request(method="GET", target="/", headers={"cookie": jar}).cookie("token") == value


def test_a_reply_is_compact_json() -> None:
    """Bodies have no blanks between tokens (capture 04), raw UTF-8, and escape what UTF-8 cannot carry."""
    reply = Reply.json_of({"a": [1, "巴"], "b": "\ud800"}, 201)
    assert reply.status == 201
    assert reply.body == '{"a":[1,"巴"],"b":"\\ud800"}'.encode()
