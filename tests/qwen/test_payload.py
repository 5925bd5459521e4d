"""Request bodies, against hand-written ones and against those of the captures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_bridge.qwen.payload import (
    COMPLETIONS_PATH,
    MODELS_PATH,
    NEW_CHAT_PATH,
    STOP_PATH,
    Turn,
    chat_path,
    completion,
    completions_path,
    new_chat,
    stop,
    stop_path,
)
from tests.harness.shared import QWEN, needs_shared

TURN = Turn("c1", "p1", "qwen3-max", "Hello", False, "f1", "a1", 1761489788)


def body(turn: Turn) -> dict[str, Any]:
    """The body as a client's JSON."""
    loaded = json.loads(completion(turn))
    assert isinstance(loaded, dict)
    return loaded


def test_the_body_of_a_turn() -> None:
    """Every field stands where the browser puts it, and nothing else does."""
    assert body(TURN) == {
        "stream": True,
        "version": "2.1",
        "incremental_output": True,
        "chat_id": "c1",
        "chat_mode": "normal",
        "model": "qwen3-max",
        "parent_id": "p1",
        "messages": [
            {
                "fid": "f1",
                "parentId": "p1",
                "childrenIds": ["a1"],
                "role": "user",
                "content": "Hello",
                "user_action": "chat",
                "files": [],
                "timestamp": 1761489788,
                "models": ["qwen3-max"],
                "chat_type": "t2t",
                "feature_config": {
                    "thinking_enabled": False,
                    "output_schema": "phase",
                    "research_mode": "normal",
                    "auto_thinking": False,
                    "thinking_mode": "Fast",
                    "thinking_format": "summary",
                    "auto_search": False,
                },
                "extra": {"meta": {"subChatType": "t2t"}},
                "sub_chat_type": "t2t",
                "parent_id": "p1",
            }
        ],
        "timestamp": 1761489788,
    }


def test_the_first_message_hangs_on_nothing() -> None:
    """The parent of a chat's first message is null in all three places."""
    first = body(Turn("c1", None, "m", "Hello", False, "f1", "a1", 1))
    assert (first["parent_id"], first["messages"][0]["parent_id"], first["messages"][0]["parentId"]) == (None,) * 3


def test_thinking_is_one_switch() -> None:
    """With thinking on, mode and flag say so together, and the server is not left to choose."""
    config = body(Turn("c1", None, "m", "x", True, "f1", "a1", 1))["messages"][0]["feature_config"]
    assert (config["thinking_enabled"], config["thinking_mode"], config["auto_thinking"]) == (True, "Thinking", False)


def test_files_ride_along() -> None:
    """Ready elements of the files array are sent as they are."""
    file = {"type": "image", "url": "https://x"}
    assert body(Turn("c1", None, "m", "x", False, "f1", "a1", 1, (file,)))["messages"][0]["files"] == [file]


@pytest.mark.parametrize(
    ("content", "sent"), [("a\ud83d\ude00b", "a😀b"), ("a\ud83db", "a\ufffdb"), ("Привет 巴黎 \u2028 😀", None)]
)
def test_every_text_can_be_sent(content: str, sent: str | None) -> None:
    """Halves of an emoji become a whole one or U+FFFD; everything else goes as it is."""
    turn = Turn("c1", None, "m", content, False, "f1", "a1", 1)
    assert body(turn)["messages"][0]["content"] == (content if sent is None else sent)


def test_a_new_chat_has_its_time_in_milliseconds() -> None:
    """The form of the capture, in normal mode."""
    assert json.loads(new_chat("qwen3-max", "New Chat", 1761484022218)) == {
        "title": "New Chat",
        "models": ["qwen3-max"],
        "chat_mode": "normal",
        "chat_type": "t2t",
        "timestamp": 1761484022218,
    }


def test_a_stop_names_chat_and_answer() -> None:
    """Both ids are in the body."""
    assert json.loads(stop("c1", "a1")) == {"chat_id": "c1", "response_id": "a1"}


def test_the_paths() -> None:
    """Paths are those of the site, and an id cannot escape its place."""
    assert (MODELS_PATH, NEW_CHAT_PATH) == ("/api/models", "/api/v2/chats/new")
    assert completions_path("c1") == f"{COMPLETIONS_PATH}?chat_id=c1"
    assert stop_path("c1") == f"{STOP_PATH}?chat_id=c1" == "/api/v2/chat/completions/stop?chat_id=c1"
    assert chat_path("../x?y") == "/api/v2/chats/..%2Fx%3Fy"
    assert completions_path("a&b=c") == "/api/v2/chat/completions?chat_id=a%26b%3Dc"


@needs_shared
@pytest.mark.parametrize("path", sorted(QWEN.glob("0[19]_*request_body.json")), ids=lambda path: path.name[:24])
def test_the_captured_bodies_have_the_same_fields(path: Path) -> None:
    """Whatever the browser sent in a text chat, this sends too: same fields, same types, same fixed values."""
    captured = json.loads(path.read_bytes())
    message = captured["messages"][0]
    ours = body(
        Turn(
            captured["chat_id"],
            captured["parent_id"],
            captured["model"],
            message["content"],
            message["feature_config"]["thinking_enabled"],
            message["fid"],
            message["childrenIds"][0],
            message["timestamp"],
        )
    )
    for fields, theirs in ((ours, captured), (ours["messages"][0], message)):
        for own in ("timestamp", "feature_config", "messages", "chat_mode"):
            assert type(fields.get(own)) is type(theirs.get(own))
        rest = {
            key: value
            for key, value in theirs.items()
            if key not in ("timestamp", "feature_config", "messages", "chat_mode")
        }
        assert {key: fields[key] for key in rest} == rest
    assert message["feature_config"].keys() <= ours["messages"][0]["feature_config"].keys()


@needs_shared
def test_the_captured_new_chat_has_the_same_fields() -> None:
    """The browser's body for a new chat, but for its guest mode."""
    captured = json.loads((QWEN / "04_chriscole_chats_new_request_body.json").read_bytes())
    ours = json.loads(new_chat(captured["models"][0], captured["title"], captured["timestamp"]))
    assert ours == {**captured, "chat_mode": "normal"}
