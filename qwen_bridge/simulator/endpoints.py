"""All other endpoints of the service, one row each; a row takes an account's request and gives the whole answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qwen_bridge.simulator import catalog, uploads
from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.rules import find_chat, identify, read_object
from qwen_bridge.simulator.strikes import write_refusal
from qwen_bridge.simulator.tree import Chat
from qwen_bridge.simulator.world import World

_PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class _Call:
    """What a row needs: the state, the request, whose it is, and the id in its path."""

    world: World
    request: Request
    account: str
    path_id: str

    def body(self) -> dict[str, Any]:
        return read_object(self.request)

    def wrap(self, data: object) -> Reply:
        """`data` in the v2 envelope."""
        return Reply.json_of({"success": True, "request_id": self.world.ids.uuid(), "data": data})


def answer(world: World, request: Request) -> Reply:
    """The answer of an `/api/` path that is not a completion; refusals are written into the ledger."""
    rows = [(method, found, row) for method, path, row in _ROWS if (found := path.fullmatch(request.path))]
    for method, found, row in rows:
        if method == request.method:
            return _run(row, world, request, found.groupdict().get("id", ""))
    if rows:
        return Reply.json_of({"detail": "Method Not Allowed"}, 405)
    return Reply.json_of({"detail": "Not Found"}, 404)


def _run(row: Callable[[_Call], Reply], world: World, request: Request, path_id: str) -> Reply:
    try:
        return row(_Call(world, request, identify(world, request), path_id))
    except Refused as refused:
        write_refusal(world, request, refused.reason, refused.detail)
        return refused.reply(world.ids.uuid())


def _models(_: _Call) -> Reply:
    return Reply.json_of(catalog.models())


def _new_chat(call: _Call) -> Reply:
    """Both known forms of the body (ages A/B and C) are taken."""
    body = call.body()
    models = body.get("models")
    if not isinstance(models, list) or len(models) != 1 or not isinstance(models[0], str):
        raise Refused("something_wrong", "models is not a list of one")
    if models[0] not in catalog.MODELS:
        raise Refused("invalid_model", str(models[0]))
    if body.get("chat_mode") not in ("normal", "guest"):
        raise Refused("something_wrong", "chat_mode")
    if body.get("chat_type") not in catalog.chat_types(models[0]):
        raise Refused("something_wrong", "chat_type")
    stamp = body.get("timestamp")
    if not isinstance(stamp, int) or stamp < 10**11:
        raise Refused("something_wrong", "timestamp is not in milliseconds")
    chat = Chat(
        id=call.world.ids.uuid(),
        account=call.account,
        model=models[0],
        created_at=int(call.world.clock.now()),
        title=str(body.get("title", "New Chat")),
        mode=body["chat_mode"],
        chat_type=body["chat_type"],
    )
    call.world.chats.add(chat)
    return call.wrap({"id": chat.id})


def _list_chats(call: _Call) -> Reply:
    number = call.request.query.get("page", "1")
    page = max(1, int(number)) if number.isdecimal() else 1
    return call.wrap([chat.head() for chat in call.world.chats.page(call.account, page, _PAGE_SIZE)])


def _get_chat(call: _Call) -> Reply:
    return call.wrap(find_chat(call.world, call.account, call.path_id).to_json())


def _delete_chat(call: _Call) -> Reply:
    chat = find_chat(call.world, call.account, call.path_id)
    _delete(call, [chat.id])
    return Reply.json_of({"success": True, "data": {"status": True}})


def _delete_chats(call: _Call) -> Reply:
    chat_ids = call.body().get("ids")
    if not isinstance(chat_ids, list) or not all(isinstance(chat_id, str) for chat_id in chat_ids):
        raise Refused("something_wrong", "ids")
    _delete(call, chat_ids)
    return call.wrap({"status": True})


def _delete(call: _Call, chat_ids: list[str]) -> None:
    call.world.stop(call.world.chats.delete(chat_ids, call.account))


def _stop(call: _Call) -> Reply:
    """End the answer named by `chat_id` and `response_id`. One that is over already is no error."""
    chat_id = call.request.query.get("chat_id")
    if not chat_id:
        raise Refused("missing_chat_id")
    body = call.body()
    if body.get("chat_id") != chat_id or not isinstance(body.get("response_id"), str):
        raise Refused("something_wrong", "chat_id or response_id")
    find_chat(call.world, call.account, chat_id)
    held = call.world.running.get(chat_id)
    if held is not None and held[1].response_id == body["response_id"]:
        held[1].stop()
    return call.wrap({"status": True})


def _sts_token(call: _Call) -> Reply:
    try:
        upload = call.world.uploads.issue(call.account, call.body(), call.world.ids)
    except ValueError as error:
        raise Refused("something_wrong", str(error)) from error
    return call.wrap(uploads.describe(upload, call.world.base_url, call.world.clock.now()))


def _parse(call: _Call) -> Reply:
    upload = call.world.uploads.get(call.body().get("file_id"), call.account)
    if upload is None:
        raise Refused("something_wrong", "file_id is no uploaded file")
    upload.parsing = "processing"
    return call.wrap(True)


def _parse_status(call: _Call) -> Reply:
    """Each file's state; one that is being parsed is ready when it is asked for the second time."""
    body = call.body()
    file_ids = body.get("file_id_list", [body.get("file_id")])
    if not isinstance(file_ids, list):
        raise Refused("something_wrong", "file_id_list")
    return call.wrap([_state_of(call, file_id) for file_id in file_ids])


def _state_of(call: _Call, file_id: object) -> Mapping[str, Any]:
    upload = call.world.uploads.get(file_id, call.account)
    if upload is None or upload.parsing == "no":
        raise Refused("something_wrong", "a file that is not being parsed")
    state = upload.parsing
    upload.parsing = "success"
    return {"file_id": upload.id, "status": state}


_ROWS: tuple[tuple[str, re.Pattern[str], Callable[[_Call], Reply]], ...] = tuple(
    (method, re.compile(path), row)
    for method, path, row in (
        ("GET", r"/api/models", _models),
        ("GET", r"/api/v2/models/", _models),
        ("POST", r"/api/v2/chats/new", _new_chat),
        ("POST", r"/api/v2/chats/batch_delete", _delete_chats),
        ("GET", r"/api/v2/chats/", _list_chats),
        ("GET", r"/api/v2/chats/(?P<id>[^/]+)", _get_chat),
        ("DELETE", r"/api/v2/chats/(?P<id>[^/]+)", _delete_chat),
        ("POST", r"/api/v2/chat/completions/stop", _stop),
        ("POST", r"/api/v[12]/files/getstsToken", _sts_token),
        ("POST", r"/api/v2/files/parse", _parse),
        ("POST", r"/api/v2/files/parse/status", _parse_status),
    )
)
