from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.rules import Ask, identify, read_ask
from qwen_bridge.simulator.tree import Chat, Node
from qwen_bridge.simulator.world import World
from tests.harness.qwen_browser import COMPLETIONS, FEATURES, HEADERS, completion, request, world
from tests.harness.shared import QWEN, needs_shared

type Change = Callable[[dict[str, Any]], Any]


def service(**settings: Any) -> World:
    """A service with chat `c` (one turn, u → a) of this account and chat `theirs` of another."""
    here = world(**settings)
    for chat_id, account in (("c", "simulated-user"), ("theirs", "other")):
        chat = Chat(id=chat_id, account=account, model="qwen3-max", created_at=0)
        chat.add(Node(id="u", role="user", text="hi", parent_id=None, model="qwen3-max", timestamp=0))
        chat.add(Node(id="a", role="assistant", text="hello", parent_id="u", model="qwen3-max", timestamp=0))
        here.chats.add(chat)
    return here


def ask(body: object, chat_id: str = "c", **settings: Any) -> Ask:
    return read_ask(service(**settings), request("POST", f"{COMPLETIONS}?chat_id={chat_id}", body))


def refusal(body: object, chat_id: str = "c", **settings: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(body, chat_id, **settings)
    return caught.value


def test_a_request_like_the_browsers_is_taken() -> None:
    """What the web client sends passes, to begin and to go on."""
    first, second = ask(completion("c", "hi")), ask(completion("c", "go on", "a"))
    assert (first.parent_id, first.content, first.role) == (None, "hi", "user")
    assert (second.parent_id, second.phases, second.thinks, second.searches) == ("a", True, False, False)


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["01_chriscole_t2t_stream", "08_smanx_image_upload_image_search_turn1", "09_smanx_thinking_summary_guest_turn1"],
)
def test_captured_requests_are_taken(name: str) -> None:
    """Bodies that browsers sent pass; ids and files are put where the simulator has them."""
    body = json.loads((QWEN / f"{name}_request_body.json").read_text(encoding="utf-8"))
    body["chat_id"] = "c"
    for file in body["messages"][0]["files"]:
        del file["id"]
    taken = ask(body)
    assert taken.content == body["messages"][0]["content"]
    assert len(taken.files) == len(body["messages"][0]["files"])


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"cookie": ""}, "waf_html_aliyun"),
        ({"cookie": "token=old"}, "unauthorized"),
        ({"bx-umidtoken": ""}, "waf_html_aliyun"),
        ({"bx-umidtoken": "other"}, "waf_html_aliyun"),
        ({"user-agent": "python-httpx/0.28"}, "waf_html_aliyun"),
        ({"user-agent": ""}, "waf_html_aliyun"),
    ],
)
def test_who_does_not_look_like_the_browser_meets_the_firewall(headers: dict[str, str], reason: str) -> None:
    """Without cookie, umid token or a browser's name comes the firewall's page; a wrong token has expired."""
    with pytest.raises(Refused) as caught:
        identify(world(), request("GET", "/api/models", headers=HEADERS | headers))
    assert caught.value.reason == reason


def test_accounts_are_told_apart_by_their_token() -> None:
    """Several accounts may be set up."""
    here = world(accounts={"t1": "one", "t2": "two"})
    assert identify(here, request("GET", "/", headers=HEADERS | {"cookie": "token=t2"})) == "two"


@pytest.mark.parametrize(("size", "refused"), [(128 * 1024, False), (128 * 1024 + 1, True)])
def test_a_body_over_128_kib_gets_the_captcha(size: int, refused: bool) -> None:
    """The firewall counts bytes of the body, and looks at nothing else first."""
    here = world()
    big = Request(method="POST", target="/", headers={} if refused else HEADERS, body=b" " * size)
    if refused:
        with pytest.raises(Refused) as caught:
            identify(here, big)
        assert caught.value.reason == "waf_json_punish"
    else:
        assert identify(here, big)


def first_message(key: str, value: object) -> Change:
    return lambda body: body["messages"][0].update({key: value})


def without(key: str) -> Change:
    return lambda body: body["messages"][0].pop(key)


def top(key: str, value: object) -> Change:
    return lambda body: body.update({key: value})


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        (lambda body: body["messages"].append(body["messages"][0]), "too_many_messages", "2 messages"),
        (top("messages", []), "something_wrong", "messages"),
        (top("messages", ["hi"]), "something_wrong", "messages"),
        (top("chat_id", "other"), "something_wrong", "chat_id is not that of the query"),
        (top("model", "gpt-4o"), "invalid_model", "gpt-4o"),
        (top("parent_id", "root"), "parent_not_exist", "root"),
        (top("parent_id", ""), "parent_not_exist", ""),
        (top("parent_id", "a"), "something_wrong", "messages[0].parentId is not parent_id"),
        (top("stream", False), "something_wrong", "stream must be true"),
        (top("stream", "true"), "something_wrong", "stream"),
        (top("incremental_output", False), "something_wrong", "incremental_output"),
        (top("chat_mode", "x"), "something_wrong", "chat_mode"),
        (top("timestamp", "now"), "something_wrong", "timestamp"),
        (first_message("parent_id", "a"), "something_wrong", "messages[0].parent_id is not parent_id"),
        (without("parentId"), "something_wrong", "messages[0].parentId is not parent_id"),
        (without("fid"), "something_wrong", "messages[0].fid"),
        (first_message("childrenIds", None), "something_wrong", "messages[0].childrenIds"),
        (first_message("role", "assistant"), "something_wrong", "messages[0].role"),
        (first_message("content", [{"type": "text"}]), "something_wrong", "messages[0].content"),
        (first_message("user_action", "ask"), "something_wrong", "messages[0].user_action"),
        (first_message("files", None), "something_wrong", "messages[0].files"),
        (first_message("files", [{"type": "file"}]), "something_wrong", "messages[0].files[0] is not uploaded"),
        (first_message("models", ["qwen3-max", "x"]), "something_wrong", "messages[0].models is not the one model"),
        (first_message("chat_type", "image_gen"), "something_wrong", "chat_type image_gen is not one of the model's"),
        (
            first_message("sub_chat_type", "search"),
            "something_wrong",
            "sub_chat_type, extra.meta.subChatType and chat_type differ",
        ),
        (first_message("feature_config", {}), "something_wrong", "messages[0].feature_config.thinking_enabled"),
        (first_message("extra", {}), "something_wrong", "sub_chat_type, extra.meta.subChatType and chat_type differ"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(change: Change, reason: str, detail: str) -> None:
    """Each field that every capture has is demanded, and the refusal says which one was wrong."""
    body = completion("c", "hi")
    change(body)
    refused = refusal(body)
    assert (refused.reason, refused.detail) == (reason, detail)


def test_an_unknown_parent_is_named_in_the_refusal() -> None:
    """The service repeats the parent it does not know."""
    body = json.loads(refusal(completion("c", "hi", "11111111-1111")).reply("id").body)
    assert body["data"]["details"] == "Invalid input chat parent_id 11111111-1111 is not exist."


def test_what_newer_clients_add_is_let_through() -> None:
    """Age C repeats ids under other names; milliseconds for seconds do no harm."""
    body = completion("c", "hi") | {"chatId": "c", "parentId": "", "timestamp": 1780468951000}
    body["messages"][0] |= {"id": None, "model": "", "childrenIds": []}
    assert ask(body).parent_id is None


def test_a_system_message_passes_the_rules() -> None:
    """`role: system` is not refused; it is answered with nothing."""
    assert ask(completion("c", "be kind", role="system")).role == "system"


def test_a_chat_must_be_the_accounts_own() -> None:
    """A chat that never was counts as deleted; another account's does not exist."""
    assert refusal(completion("gone", "hi"), "gone").reason == "chat_deleted"
    assert refusal(completion("theirs", "hi"), "theirs").reason == "chat_not_exist"


def test_the_query_must_name_the_chat() -> None:
    """Without `chat_id` in the query the body is not looked at."""
    with pytest.raises(Refused) as caught:
        read_ask(service(), request("POST", COMPLETIONS, completion("c", "hi")))
    assert caught.value.reason == "missing_chat_id"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_body_must_be_a_json_object(body: bytes) -> None:
    """Anything else is something wrong with the request."""
    assert refusal(body).reason == "something_wrong"


def test_a_thinking_model_cannot_be_kept_from_it() -> None:
    """`thinking_enabled: false` is invalid input for a model that always thinks."""
    refused = refusal(completion("c", "hi", model="qwen3.8-max-preview"))
    assert refused.reason == "invalid_input"
    thinking = {"thinking_enabled": True, "output_schema": "phase"}
    assert ask(completion("c", "hi", model="qwen3.8-max-preview", feature_config=thinking)).thinks


def test_the_features_of_a_request_are_read() -> None:
    """Fast mode thinks not, `auto_search` and search chats search, and platform tools show."""
    fast = FEATURES | {"thinking_enabled": True, "thinking_mode": "Fast", "auto_search": True, "enable_tools": True}
    read = ask(completion("c", "hi", feature_config=fast | {"thinking_format": "summary"}))
    assert (read.thinks, read.searches, read.platform_tools, read.summarises) == (False, True, True, True)
    assert ask(completion("c", "hi", chat_type="search")).searches
