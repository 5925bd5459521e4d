"""The bodies with which the service says no; one row each.

Codes, texts and their order are protocol facts, collected in `data/qwen/errors.jsonl` and knowledge
`qwen-protocol.md` §5. Most come with status 200. `@request_id@`, `@parent_id@` and `@detail@` are filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qwen_bridge.simulator.requests import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A way to say no: `says` is for people, `body` the template of the answer's body."""

    name: str
    says: str
    body: str
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def reply(self, request_id: str, *, parent_id: str = "", detail: str = "") -> Reply:
        """The answer, with its blanks filled in; `parent_id` and `detail` may be any text."""
        body = self.body.replace("@request_id@", request_id)
        body = body.replace("@parent_id@", _inside_string(parent_id)).replace("@detail@", _inside_string(detail))
        data = body.encode("utf-8", "replace")
        return Reply(status=self.status, content_type=self.content_type, body=data, headers=self.headers)


class Refused(Exception):
    """A request that a rule turns down. `reason` names the refusal, `detail` says what exactly was wrong."""

    def __init__(self, reason: str, detail: str = "", *, parent_id: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.parent_id = parent_id

    def reply(self, request_id: str) -> Reply:
        return REFUSALS[self.reason].reply(request_id, parent_id=self.parent_id, detail=self.detail)


def _inside_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _failed(code: str, details: Any, *, numbered: bool = False, **more: Any) -> str:
    """The v2 envelope of a failure; `numbered` ones carry a request id."""
    head: dict[str, Any] = {"success": False}
    if numbered:
        head["request_id"] = "@request_id@"
    return _compact(head | {"data": {"code": code, "details": details} | more})


def _frame(value: object) -> str:
    return f"data: {_compact(value)}\n\n"


_QUOTA = "You've reached the upper limit for today's usage."
_WAIT = "You have reached the daily usage limit. Please wait {{num}} hours before trying again."
_GONE = "This chat has been deleted. Please start a new chat to continue."
_PUNISH = "https://chat.qwen.ai:443//api/v2/chat/completions/_____tmd_____/punish"
_CAPTCHA = {
    "ret": ["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::哎哟喂,被挤爆啦,请稍后重试"],
    "data": {"url": f"{_PUNISH}?x5secdata=REDACTED&x5step=2&action=captcha&pureCaptcha="},
}
_REDIRECT = (
    '<html><script>window.location.replace("https://chat.qwen.ai/_____tmd_____/punish?x5secdata=REDACTED");'
    "</script></html>"
)
_WAF = (
    '<!doctypehtml><html><head><meta charset="utf-8"><meta name="aliyun_waf_aa" content="REDACTED"></head>'
    "<body></body></html>"
)
_PAGE = "<!DOCTYPE html><html><head><title>Qwen</title></head><body></body></html>"
_SUCCESS = _compact({"success": True, "request_id": "@request_id@", "data": {}})
_BYTES = "application/octet-stream"
_STREAM = "text/event-stream"
_HTML = "text/html"


_QUOTA_OF_TOKENS = "Allocated quota exceeded, please increase your quota limit. #token-limit"
_INSPECTED = "内容安全警告：输入数据可能包含不适当的内容！"
_FAILED_DELTA = {"role": "assistant", "content": "", "phase": "answer", "status": "error"}
_GATEWAY_PAGES = (
    (413, "Request Entity Too Large"),
    (500, "Internal Server Error"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
)


def _gateway(status: int, words: str) -> Refusal:
    page = f"<html><head><title>{status} {words}</title></head><body><h1>{status} {words}</h1></body></html>"
    says = f"a gateway's page, {status}"
    return Refusal(name=f"http_{status}", says=says, status=status, content_type=_HTML, body=page)


_ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="rate_limited_v2",
        says="the day's quota is used up",
        body=_failed("RateLimited", _QUOTA, numbered=True, template=_WAIT, num=10),
    ),
    Refusal(
        name="rate_limited_old_flat",
        says="the same in its older, flat form, with status 429",
        status=429,
        body=_compact({"code": "RateLimited", "detail": _QUOTA, "num": 4}),
    ),
    Refusal(
        name="chat_in_progress",
        says="an answer is being given in this chat",
        body=_failed("Bad_Request", "The chat is in progress!"),
    ),
    Refusal(
        name="chat_in_progress_429",
        says="the same with status 429 (seen once)",
        status=429,
        body=_failed("Bad_Request", "The chat is in progress!"),
    ),
    Refusal(
        name="parent_not_exist",
        says="the parent is no node of this chat",
        body=_failed("Bad_Request", "Invalid input chat parent_id @parent_id@ is not exist.", numbered=True),
    ),
    Refusal(
        name="parent_not_found",
        says="the newer code name of the same",
        body=_failed("PARENT_NOT_FOUND", "Invalid input chat parent_id @parent_id@ is not exist.", numbered=True),
    ),
    Refusal(
        name="too_many_messages",
        says="more than one message in the request",
        body=_failed("Bad_Request", "Invalid input too many messages.", numbered=True),
    ),
    Refusal(
        name="chat_deleted",
        says="the chat is gone",
        body=_failed("Not_Found", _GONE),
        headers=(("x-actual-status-code", "404"),),
    ),
    Refusal(
        name="chat_not_found",
        says="the newer code name of the same",
        body=_failed("CHAT_NOT_FOUND", _GONE),
        headers=(("x-actual-status-code", "404"),),
    ),
    Refusal(
        name="chat_not_exist",
        says="the chat belongs to another account",
        body=_failed("Bad_Request", "chat is not exist"),
    ),
    Refusal(
        name="missing_chat_id",
        says="no chat_id in the query",
        body=_failed("RequestValidationError", ["Field 'query -> chat_id': Field required"]),
    ),
    Refusal(
        name="internal_error",
        says="a failure without a reason",
        body=_failed("Bad_Request", "internal error"),
    ),
    Refusal(
        name="something_wrong",
        says="the body is not what the web client sends",
        body=_failed("Bad_Request", "Something wrong with request!"),
    ),
    Refusal(
        name="invalid_model",
        says="no such model (the code is reported, the text is ours)",
        body=_failed("Bad_Request", "Model @detail@ is not found."),
    ),
    Refusal(
        name="invalid_input",
        says="the model cannot do this, such as not thinking (the code is reported, the text is ours)",
        body=_failed("invalid_input", "@detail@"),
    ),
    Refusal(
        name="unauthorized",
        says="the token is wrong or has run out",
        status=401,
        body=_failed("Unauthorized", "Token has expired"),
    ),
    Refusal(
        name="account_pending",
        says="the account is not activated yet",
        status=403,
        body=_failed("Forbidden", "Your account is pending activation."),
    ),
    Refusal(
        name="parallel_limited",
        says="too many streams of one account (names known from client code, the text is ours)",
        status=429,
        body=_failed("ParallelLimited", "Too many requests in parallel. Please try again later.", numbered=True),
    ),
    Refusal(
        name="http_429",
        says="requests come too fast",
        status=429,
        body=_failed("Too_Many_Requests", "Request rate increased too quickly", numbered=True),
    ),
    *(_gateway(*page) for page in _GATEWAY_PAGES),
    Refusal(name="http_403", says="no, and no reason", status=403, body=_compact({"detail": "Forbidden"})),
    Refusal(name="http_403_page", says="a web page that forbids", status=403, content_type=_HTML, body=_PAGE),
    Refusal(name="http_404", says="not here, and no reason", status=404, body=_compact({"detail": "Not Found"})),
    Refusal(name="http_200_empty", says="nothing at all", content_type=_BYTES, body=""),
    Refusal(name="http_200_text", says="words that are no protocol", content_type="text/plain", body="Hello?"),
    Refusal(name="http_200_page", says="a web page without a mark of the firewall", content_type=_HTML, body=_PAGE),
    Refusal(name="http_200_success", says="an envelope of success where a stream was due", body=_SUCCESS),
    Refusal(
        name="http_200_pace",
        says="requests come too fast, in words alone",
        body=_failed("Bad_Request", "Request rate increased too quickly"),
    ),
    Refusal(
        name="http_200_expired",
        says="the token has run out, in words alone",
        body=_failed("Bad_Request", "Token has expired"),
    ),
    Refusal(name="waf_json_punish", says="the captcha as JSON", body=_compact(_CAPTCHA)),
    Refusal(name="waf_html_redirect", says="the captcha as a page", content_type=_HTML, body=_REDIRECT),
    Refusal(name="waf_html_aliyun", says="the firewall's page", content_type=_HTML, body=_WAF),
    Refusal(
        name="in_stream_quota",
        says="a stream whose first frame is an error: token quota",
        content_type=_STREAM,
        body=_frame({"error": {"code": "internal_error", "details": _QUOTA_OF_TOKENS}}),
    ),
    Refusal(
        name="in_stream_data_inspection_input",
        says="a stream whose first frame is an error: the input did not pass inspection",
        content_type=_STREAM,
        body=_frame({"error": {"code": "data_inspection_failed", "details": _INSPECTED}}),
    ),
    Refusal(
        name="in_stream_failure",
        says="a stream that holds the JSON of a failure as a frame",
        content_type=_STREAM,
        body=f"data: {_failed('Bad_Request', 'internal error')}\n\n",
    ),
    Refusal(
        name="delta_status_error",
        says="a stream whose only delta has the status error",
        content_type=_STREAM,
        body=_frame({"choices": [{"delta": _FAILED_DELTA}]}),
    ),
    Refusal(name="empty_stream", says="a stream without a byte", content_type=_STREAM, body=""),
)

REFUSALS: Mapping[str, Refusal] = {row.name: row for row in _ROWS}
