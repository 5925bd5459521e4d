from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.simulator.completions import complete
from qwen_bridge.simulator.endpoints import answer
from qwen_bridge.simulator.generation import Generation, State
from qwen_bridge.simulator.uploads import Upload
from qwen_bridge.simulator.world import World
from tests.harness.qwen_browser import COMPLETIONS, HEADERS, NEW_CHAT, completion, request, world
from tests.harness.shared import QWEN, needs_shared


def call(here: World, method: str, target: str, body: object = None) -> dict[str, Any]:
    """The JSON of an endpoint's answer."""
    told: dict[str, Any] = json.loads(answer(here, request(method, target, body)).body)
    return told


def new_chat(here: World, **changed: Any) -> str:
    chat_id: str = call(here, "POST", "/api/v2/chats/new", NEW_CHAT | changed)["data"]["id"]
    return chat_id


def start(here: World, chat_id: str, text: str, **message: Any) -> Generation:
    body = completion(chat_id, text, **message)
    outcome = complete(here, request("POST", f"{COMPLETIONS}?chat_id={chat_id}", body))
    assert isinstance(outcome, Generation)
    return outcome


def uploaded(here: World, data: bytes, kind: str = "file") -> Upload:
    wanted = {"filename": "a.txt", "filesize": len(data), "filetype": kind}
    file_id = call(here, "POST", "/api/v2/files/getstsToken", wanted)["data"]["file_id"]
    upload = here.uploads.issue("simulated-user", wanted, here.ids)
    upload.data = data
    assert file_id != upload.id
    return upload


def element(upload: Upload) -> dict[str, Any]:
    """An element of `files[]`."""
    head = {"type": upload.kind, "file": {"id": upload.id}, "id": upload.id, "url": "https://x", "name": upload.name}
    return head | {"status": "uploaded"}


@needs_shared
def test_a_new_chat_is_answered_like_the_capture() -> None:
    """The captured request makes a chat, and the answer has the captured keys and no blanks."""
    real = json.loads((QWEN / "04_chriscole_chats_new_response.json").read_text(encoding="utf-8"))
    sent = json.loads((QWEN / "04_chriscole_chats_new_request_body.json").read_text(encoding="utf-8"))
    body = answer(world(), request("POST", "/api/v2/chats/new", sent)).body
    told = json.loads(body)
    assert list(told) == list(real)
    assert list(told["data"]) == list(real["data"])
    assert b" " not in body


def test_the_newer_form_makes_a_chat_too() -> None:
    """Age C sends other keys, and no title."""
    newer = {"chatId": "", "models": ["qwen3-max"], "project_id": "", "timestamp": 1761484022218, "chat_type": "t2t"}
    assert call(world(), "POST", "/api/v2/chats/new", newer | {"chat_mode": "normal"})["success"] is True


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"models": []}, "Bad_Request"),
        ({"models": [{}]}, "Bad_Request"),
        ({"models": ["gpt-4o"]}, "Bad_Request"),
        ({"chat_mode": "x"}, "Bad_Request"),
        ({"chat_type": "x"}, "Bad_Request"),
        ({"timestamp": 1761484022}, "Bad_Request"),
    ],
)
def test_a_chat_that_cannot_be_made_is_refused(changed: dict[str, Any], code: str) -> None:
    """Models, mode, type and a time in milliseconds are demanded, and the ledger keeps the refusal."""
    here = world()
    assert call(here, "POST", "/api/v2/chats/new", NEW_CHAT | changed)["data"]["code"] == code
    assert here.ledger.refused[0].path == "/api/v2/chats/new"


def test_models_are_listed_in_both_places() -> None:
    """The old and the new path tell the same list."""
    here = world()
    listed = call(here, "GET", "/api/models")
    assert listed == call(here, "GET", "/api/v2/models/")
    assert {"qwen3-max", "qwen3-coder-plus"} <= {model["id"] for model in listed["data"]}


def test_chats_are_listed_shown_and_deleted() -> None:
    """What was made can be listed, looked into and deleted; then it is gone."""
    here = world()
    first, second = new_chat(here, title="One"), new_chat(here)
    start(here, first, "hello").take()
    heads = call(here, "GET", "/api/v2/chats/?page=1&exclude_project=true")["data"]
    assert [head["id"] for head in heads] == [first, second]
    assert call(here, "GET", "/api/v2/chats/?page=2")["data"] == []
    tree = call(here, "GET", f"/api/v2/chats/{first}?direction=up&limit=10")["data"]
    assert tree["title"] == "One"
    assert tree["chat"]["messages"][0]["content"] == "hello"
    assert call(here, "DELETE", f"/api/v2/chats/{first}") == {"success": True, "data": {"status": True}}
    gone = answer(here, request("GET", f"/api/v2/chats/{first}"))
    assert (gone.status, dict(gone.headers)["x-actual-status-code"]) == (200, "404")
    call(here, "POST", "/api/v2/chats/batch_delete", {"ids": [second, "none"]})
    assert call(here, "GET", "/api/v2/chats/")["data"] == []


def test_deleting_a_chat_ends_its_answer() -> None:
    """What is being said in a chat ends with it."""
    here = world()
    chat_id = new_chat(here)
    running = start(here, chat_id, "count to 9")
    call(here, "DELETE", f"/api/v2/chats/{chat_id}")
    assert running.state is State.STOPPED
    assert not here.running


def test_an_answer_is_stopped_by_its_id() -> None:
    """Only the named answer stops; a stop that is too late, or for another answer, is no error."""
    here = world()
    chat_id = new_chat(here)
    running = start(here, chat_id, "count to 9")
    stop = f"{COMPLETIONS}/stop?chat_id={chat_id}"
    assert call(here, "POST", stop, {"chat_id": chat_id, "response_id": "other"})["success"] is True
    assert here.busy(chat_id)
    assert call(here, "POST", stop, {"chat_id": chat_id, "response_id": running.response_id})["success"] is True
    assert running.state is State.STOPPED
    assert call(here, "POST", stop, {"chat_id": chat_id, "response_id": running.response_id})["success"] is True
    assert call(here, "POST", f"{COMPLETIONS}/stop", {})["data"]["code"] == "RequestValidationError"
    assert call(here, "POST", stop, {"chat_id": "x"})["data"]["code"] == "Bad_Request"


def test_a_document_is_parsed_in_two_steps() -> None:
    """Parsing is asked for, is under way when first looked at, and is done the second time."""
    here = world()
    upload = uploaded(here, b"The secret is 7.")
    assert call(here, "POST", "/api/v2/files/parse/status", {"file_id": upload.id})["success"] is False
    assert call(here, "POST", "/api/v2/files/parse", {"file_id": upload.id})["data"] is True
    states = [
        call(here, "POST", "/api/v2/files/parse/status", body)["data"][0]["status"]
        for body in ({"file_id_list": [upload.id]}, {"file_id": upload.id})
    ]
    assert states == ["processing", "success"]
    assert call(here, "POST", "/api/v2/files/parse", {"file_id": "none"})["success"] is False


def test_the_model_reads_the_files_of_the_path() -> None:
    """A parsed document is part of the context, in its own turn and in those after it."""
    here = world()
    chat_id = new_chat(here)
    upload = uploaded(here, b"remember: the secret is 7")
    upload.parsing = "success"
    first = start(here, chat_id, "what should you remember", files=[element(upload)])
    first.take()
    assert "the secret is 7" in first.said
    second = start(here, chat_id, "what should you remember", parentId=None)
    second.take()
    assert "secret" not in second.said
    told = here.ledger.turns[0].files
    assert [(file["id"], file["name"], file["text"]) for file in told] == [
        (upload.id, "a.txt", "remember: the secret is 7")
    ]


def test_a_file_that_was_never_put_is_refused() -> None:
    """A message may only name files whose bytes are there."""
    here = world()
    chat_id = new_chat(here)
    wanted = {"filename": "a.txt", "filesize": 1, "filetype": "file"}
    upload = here.uploads.issue("simulated-user", wanted, here.ids)
    body = completion(chat_id, "hi", files=[element(upload)])
    complete(here, request("POST", f"{COMPLETIONS}?chat_id={chat_id}", body))
    assert here.ledger.refused[-1].detail == "messages[0].files[0].id is no uploaded file"


def test_what_is_not_there_is_not_there() -> None:
    """Unknown paths are 404, known ones with another method 405."""
    assert answer(world(), request("GET", "/api/v3")).status == 404
    assert answer(world(), request("PUT", "/api/models")).status == 405


def test_every_endpoint_wants_the_browser() -> None:
    """Without the browser's headers even the list of models is the firewall's page."""
    here = world()
    page = answer(here, request("GET", "/api/models", headers=HEADERS | {"user-agent": "curl/8"}))
    assert page.content_type == "text/html"
    assert here.ledger.refused[0].reason == "waf_html_aliyun"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
POSTS: dict[str, dict[str, Any]] = {
    "/api/v2/chats/new": NEW_CHAT,
    "/api/v2/chats/batch_delete": {"ids": []},
    f"{COMPLETIONS}/stop?chat_id=c": {"chat_id": "c", "response_id": "a"},
    "/api/v2/files/getstsToken": {"filename": "a", "filesize": 1, "filetype": "file"},
    "/api/v2/files/parse": {"file_id": "a"},
    "/api/v2/files/parse/status": {"file_id_list": ["a"]},
}


@given(st.sampled_from(sorted(POSTS)), st.data())
def test_no_body_breaks_an_endpoint(target: str, data: st.DataObject) -> None:
    """Whatever stands in whichever field, there is an answer in JSON."""
    changes = data.draw(st.dictionaries(st.sampled_from(sorted(POSTS[target])), json_values))
    assert "success" in call(world(), "POST", target, POSTS[target] | changes)


@given(json_values)
def test_no_file_breaks_a_message(file: object) -> None:
    """An element of `files[]` that is nothing is refused."""
    here = world()
    chat_id = new_chat(here)
    valid = element(uploaded(here, b"x"))
    for files in ([file], [valid | {"file": file}], [valid | {"id": file}], [valid | {"type": file}]):
        body = completion(chat_id, "hi", files=files)
        complete(here, request("POST", f"{COMPLETIONS}?chat_id={chat_id}", body))
    assert len(here.ledger.refused) == 4
