"""What the service demands of a request; a request that fails is refused with the words of the live service.

In this order: the firewall (body size, browser headers), the session, the query, the body, the chat, the message, the
parent. What the captures all have is demanded; what clients are known to add (age C's `chatId`, `id: null`) is let
through; numbers in milliseconds for seconds are, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qwen_bridge.simulator.catalog import MODELS, always_thinks, chat_types
from qwen_bridge.simulator.local_tools import read_declared
from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.site import account_of, punished
from qwen_bridge.simulator.tree import Attachment, Chat
from qwen_bridge.simulator.world import World

_CHAT_MODES = ("normal", "guest")
_TOOL_SWITCHES = ("function_calling", "enable_tools", "enable_function_call")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A completions request that holds to every rule."""

    account: str
    chat: Chat
    parent_id: str | None
    role: str
    content: str
    files: tuple[Attachment, ...]
    model: str
    stream: bool
    feature_config: dict[str, Any]
    chat_type: str
    platform_tools: bool
    local_tools: dict[str, str]

    @property
    def thinks(self) -> bool:
        fast = self.feature_config.get("thinking_mode") == "Fast"
        return bool(self.feature_config["thinking_enabled"]) and not fast

    @property
    def phases(self) -> bool:
        return self.feature_config.get("output_schema") == "phase"

    @property
    def summarises(self) -> bool:
        return self.feature_config.get("thinking_format") == "summary"

    @property
    def searches(self) -> bool:
        """The service may search in a plain chat when it is let; in a search chat it always does."""
        return self.chat_type == "search" or bool(self.feature_config.get("auto_search"))


def identify(world: World, request: Request) -> str:
    """The account a request belongs to. Raises `Refused`.

    A body that is too long gets the captcha; what does not look like the browser that made the cookies gets the
    firewall's page; a token that is not known has run out.
    """
    settings = world.settings
    if len(request.body) > settings.body_limit:
        raise Refused("waf_json_punish", f"a body of {len(request.body)} bytes")
    if "Mozilla/5.0" not in request.header("user-agent"):
        raise Refused("waf_html_aliyun", "no browser's user-agent")
    if request.header("bx-umidtoken") != settings.umid:
        raise Refused("waf_html_aliyun", "no valid bx-umidtoken")
    token = request.cookie("token")
    if token is None:
        raise Refused("waf_html_aliyun", "no cookie token")
    account = account_of(world, token)
    if account is None:
        raise Refused("unauthorized", "an unknown token")
    if punished(world, request, account):
        raise Refused("waf_json_punish", "the check is not passed")
    return account


def read_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises `Refused`."""
    try:
        value = request.json()
    except ValueError as error:
        raise Refused("something_wrong", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise Refused("something_wrong", "the body is not an object")
    return value


def read_ask(world: World, request: Request) -> Ask:
    """A completions request, checked. Raises `Refused`."""
    account = identify(world, request)
    chat_id = request.query.get("chat_id")
    if not chat_id:
        raise Refused("missing_chat_id")
    body = read_object(request)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Refused("something_wrong", "messages")
    if len(messages) > 1:
        raise Refused("too_many_messages", f"{len(messages)} messages")
    if body.get("chat_id") != chat_id:
        raise Refused("something_wrong", "chat_id is not that of the query")
    chat = find_chat(world, account, chat_id)
    _check_load(world, account, chat_id)
    message = messages[0]
    model = _check_model(body, message)
    _hold(_BODY_RULES, body, "")
    if not body["stream"] and world.settings.age != "A":
        raise Refused("something_wrong", "stream must be true")
    _hold(_MESSAGE_RULES, message, "messages[0].")
    _check_types(message, model)
    return Ask(
        account=account,
        chat=chat,
        parent_id=_check_parent(body, message, chat),
        role=message["role"],
        content=message["content"],
        files=_attachments(world, account, message["files"]),
        model=model,
        stream=body["stream"],
        feature_config=message["feature_config"],
        chat_type=message["chat_type"],
        local_tools=read_declared(message["feature_config"], served=world.settings.local_mcp),
        platform_tools=any(message["feature_config"].get(switch) or body.get(switch) for switch in _TOOL_SWITCHES),
    )


def find_chat(world: World, account: str, chat_id: str) -> Chat:
    """The account's chat. Raises `Refused` when it is gone, never was, or is another account's."""
    chat = world.chats.get(chat_id)
    if chat is None:
        raise Refused("chat_deleted", chat_id)
    if chat.account != account:
        raise Refused("chat_not_exist", chat_id)
    return chat


def _check_load(world: World, account: str, chat_id: str) -> None:
    if world.busy(chat_id):
        raise Refused("chat_in_progress", chat_id)
    limit = world.settings.max_streams
    if limit is not None and world.streams_of(account) >= limit:
        raise Refused("parallel_limited", f"{limit} streams are open")


def _check_model(body: dict[str, Any], message: dict[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or model not in MODELS:
        raise Refused("invalid_model", str(model))
    if message.get("models") != [model]:
        raise Refused("something_wrong", "messages[0].models is not the one model")
    return model


def _check_parent(body: dict[str, Any], message: dict[str, Any], chat: Chat) -> str | None:
    """The parent, which stands in three places. Null is a new beginning, also in a chat that has messages."""
    parent = body.get("parent_id")
    if parent is not None and not (isinstance(parent, str) and parent in chat.nodes):
        raise Refused("parent_not_exist", str(parent), parent_id=str(parent))
    if "parent_id" not in body:
        raise Refused("something_wrong", "parent_id")
    for key in ("parentId", "parent_id"):
        if key not in message or message[key] != parent:
            raise Refused("something_wrong", f"messages[0].{key} is not parent_id")
    return parent


def _check_types(message: dict[str, Any], model: str) -> None:
    chat_type = message["chat_type"]
    if chat_type not in chat_types(model):
        raise Refused("something_wrong", f"chat_type {chat_type} is not one of the model's")
    meta = message["extra"].get("meta")
    if message.get("sub_chat_type") != chat_type or not isinstance(meta, dict) or meta.get("subChatType") != chat_type:
        raise Refused("something_wrong", "sub_chat_type, extra.meta.subChatType and chat_type differ")
    thinking = message["feature_config"].get("thinking_enabled")
    if not isinstance(thinking, bool):
        raise Refused("something_wrong", "messages[0].feature_config.thinking_enabled")
    if not thinking and always_thinks(model):
        raise Refused("invalid_input", f"thinking_enabled must be true for {model}")


def _attachments(world: World, account: str, files: list[Any]) -> tuple[Attachment, ...]:
    return tuple(_attachment(world, account, file, f"messages[0].files[{i}]") for i, file in enumerate(files))


def _attachment(world: World, account: str, file: Any, where: str) -> Attachment:
    """A file of the message. One without an id is a picture made earlier in the chat (capture 07, turn 2)."""
    if not isinstance(file, dict) or file.get("type") not in ("image", "file", "video", "audio"):
        raise Refused("something_wrong", where)
    if file.get("status") != "uploaded" or not isinstance(file.get("url"), str):
        raise Refused("something_wrong", f"{where} is not uploaded")
    name = str(file.get("name", ""))
    if "id" not in file:
        return Attachment(id="", name=name, text=f"[{file['type']} {name}]", wire=file)
    upload = world.uploads.get(file["id"], account)
    described = file.get("file")
    if upload is None or not isinstance(described, dict) or described.get("id") != upload.id:
        raise Refused("something_wrong", f"{where}.id is no uploaded file")
    return Attachment(id=upload.id, name=upload.name, text=upload.text, wire=file)


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(_is_word(item) for item in value)


type _Rules = tuple[tuple[str, Callable[[Any], bool]], ...]

_BODY_RULES: _Rules = (
    ("stream", lambda value: isinstance(value, bool)),
    ("incremental_output", lambda value: value is True),
    ("chat_mode", lambda value: value in _CHAT_MODES),
    ("timestamp", _is_time),
)
_MESSAGE_RULES: _Rules = (
    ("fid", _is_word),
    ("childrenIds", _are_words),
    ("role", lambda value: value in ("user", "system")),
    ("content", lambda value: isinstance(value, str)),
    ("user_action", lambda value: value == "chat"),
    ("files", lambda value: isinstance(value, list)),
    ("timestamp", _is_time),
    ("chat_type", _is_word),
    ("feature_config", lambda value: isinstance(value, dict)),
    ("extra", lambda value: isinstance(value, dict)),
)


def _hold(rules: _Rules, fields: dict[str, Any], where: str) -> None:
    for key, fits in rules:
        if key not in fields or not fits(fields[key]):
            raise Refused("something_wrong", f"{where}{key}")
