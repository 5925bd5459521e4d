"""Every row of the registry of faults, and every recorded refusal, to its leaf of the error tree."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import (
    AccountPending,
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ChatBusy,
    ChatGone,
    ContentRejected,
    EmptyAnswer,
    ExpiredCredentials,
    ParentRefused,
    QuotaExceeded,
    QwenRefused,
    QwenTimeout,
    RequestTooLarge,
    TokensExhausted,
    TooManyStreams,
    UnknownModel,
)
from qwen_bridge.events import ResponseFailed, StreamEvent
from qwen_bridge.qwen.decoder import QwenDecoder
from qwen_bridge.qwen.faults import FAULTS, classify, classify_frame, is_event_stream, is_fault
from qwen_bridge.qwen.refusal import read_answer
from qwen_bridge.sse.decoder import SSEDecoder
from qwen_bridge.stage import Pipeline
from tests.harness.shared import QWEN, needs_shared
from tests.qwen.frames import created, delta

type Answer = tuple[int, list[tuple[str, str]], bytes]


def refusal(code: str | None = None, details: object = None, status: int = 200, **data: Any) -> Answer:
    """A refusal in the second envelope."""
    fields = {"code": code, "details": details, **data}
    body = {"success": False, "request_id": "r", "data": {key: value for key, value in fields.items() if value}}
    return status, [("content-type", "application/json")], orjson.dumps(body)


def page(text: str, status: int = 200) -> Answer:
    """A web page where JSON or a stream should be."""
    return status, [("content-type", "text/html; charset=utf-8")], text.encode()


def raw(text: str, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """An answer that says nothing about its type."""
    return status, list(headers), text.encode()


WAF = {"ret": ["FAIL_SYS_USER_VALIDATE", "RGV587_ERROR::SM::哎哟喂"], "data": {"url": "https://x/_____tmd_____/punish"}}
PARENT = "Invalid input chat parent_id 11111111-1111-4111-8111-111111111111 is not exist."
DELETED = "This chat has been deleted. Please start a new chat to continue."

ROWS: list[tuple[str, Answer, type[BridgeError]]] = [
    ("challenge", raw(json.dumps(WAF)), ChallengeRequired),
    ("challenge", page('<script>location="https://x/_____tmd_____/punish?x5secdata=s"</script>'), ChallengeRequired),
    ("challenge", page('<!doctypehtml><meta name="aliyun_waf_aa" content="s">', 405), ChallengeRequired),
    ("challenge", raw("", 302, ("location", "https://x/_____tmd_____/punish")), ChallengeRequired),
    ("blocked", page("<html>one moment</html>", 403), ChallengeRequired),
    ("blocked", page("<html>not allowed</html>", 405), ChallengeRequired),
    ("page", page("<html>back soon</html>"), AnswerUnreadable),
    ("page", page("<html>moved</html>", 302), AnswerUnreadable),
    (
        "page",
        raw("", 302, ("content-type", "text/html"), ("location", "https://portal.example/sign-in")),
        AnswerUnreadable,
    ),
    ("too large", raw("", 413), RequestTooLarge),
    ("timeout", page("<html>Gateway Time-out</html>", 504), QwenTimeout),
    ("account pending", refusal(details="Account pending activation"), AccountPending),
    ("account pending", raw('{"id":"u","role":"pending"}', 403), AccountPending),
    ("content inspection", refusal("data_inspection_failed"), ContentRejected),
    ("content inspection", refusal("Bad_Request", "内容安全警告：输入数据可能包含不适当的内容！"), ContentRejected),
    ("token quota", refusal("internal_error", "Allocated quota exceeded, please … #token-limit"), TokensExhausted),
    ("quota", refusal("RateLimited", "You've reached the upper limit for today's usage.", num=10), QuotaExceeded),
    ("quota", raw('{"code":"RateLimited","detail":"limit","num":4}', 429), QuotaExceeded),
    ("quota", refusal("quotaLimited"), QuotaExceeded),
    ("quota", refusal("ExceedLimit"), QuotaExceeded),
    ("quota", refusal("quota_exhausted"), QuotaExceeded),
    ("chat busy", refusal("Bad_Request", "The chat is in progress!"), ChatBusy),
    ("chat busy", refusal("Bad_Request", "The chat is in progress!", 429), ChatBusy),
    ("parallel limit", refusal("ParallelLimited"), TooManyStreams),
    ("parallel limit", refusal("Too_Many_Requests"), TooManyStreams),
    ("pace", refusal("Bad_Request", "Request rate increased too quickly"), TooManyStreams),
    ("pace", raw("slow down", 429), TooManyStreams),
    ("parent", refusal("Bad_Request", PARENT), ParentRefused),
    ("parent", refusal("PARENT_NOT_FOUND"), ParentRefused),
    ("chat gone", refusal("Not_Found", DELETED), ChatGone),
    ("chat gone", refusal("CHAT_NOT_FOUND"), ChatGone),
    ("chat gone", refusal("Bad_Request", "Invalid input chat_id 1 is not exist."), ChatGone),
    ("unknown model", refusal("Not_Found", "Model qwen9 not found"), UnknownModel),
    ("unknown model", refusal("Bad_Request", "Invalid model"), UnknownModel),
    ("signed out", refusal("Unauthorized", "Token has expired", 401), ExpiredCredentials),
    ("signed out", refusal("invalid_token"), ExpiredCredentials),
    ("signed out", page("<html>sign in</html>", 401), ExpiredCredentials),
    ("token expired", refusal("Bad_Request", "Token has expired"), ExpiredCredentials),
    ("forbidden", raw('{"detail":"no"}', 403), ExpiredCredentials),
    ("not found", raw("{}", 200, ("x-actual-status-code", "404")), ChatGone),
    ("not found", refusal("Not_Found"), ChatGone),
    ("too many messages", refusal("Bad_Request", "Invalid input too many messages."), QwenRefused),
    ("validation", refusal("RequestValidationError", ["Field 'query -> chat_id': Field required"]), QwenRefused),
    ("invalid input", refusal("invalid_input", "thinking_enabled"), QwenRefused),
    ("server", raw("upstream connect error", 503), QwenRefused),
    ("server", page("<html>Bad Gateway</html>", 502), QwenRefused),
    ("empty", raw(" \n"), EmptyAnswer),
    ("not a refusal", raw('{"success":true,"data":{"choices":[]}}'), AnswerUnreadable),
    ("not json", raw("hello"), AnswerUnreadable),
    ("other", refusal("Bad_Request", "Something wrong with request!"), QwenRefused),
    ("other", refusal("Bad_Request", "internal error"), QwenRefused),
    ("other", refusal("Internal_Server_Error", status=500), QwenRefused),
    ("other", page("<html>not found</html>", 404), QwenRefused),
]


@pytest.mark.parametrize(("row", "answer", "error"), ROWS)
def test_each_refusal_reaches_its_row(row: str, answer: Answer, error: type[BridgeError]) -> None:
    """A refusal is decided by the row made for it, and becomes that row's leaf."""
    assert next(fault.name for fault in FAULTS if fault.matches(read_answer(*answer))) == row
    assert type(classify(*answer)) is error


def test_every_row_has_a_case() -> None:
    """No row of the registry is without a test, and no two have one name."""
    names = [fault.name for fault in FAULTS]
    assert sorted(set(names)) == sorted(names)
    assert set(names) == {row for row, _, _ in ROWS}


@pytest.mark.parametrize(("row", "answer", "error"), ROWS)
def test_a_message_is_a_sentence_without_the_page(row: str, answer: Answer, error: type[BridgeError]) -> None:
    """Every message is one line that says something, and shows no markup, no ids of the check, no envelope."""
    message = classify(*answer).message
    assert 30 < len(message) < 800
    assert "\n" not in message
    assert not any(raw in message for raw in ("<", "punish", "x5sec", "request_id", "{"))


def test_quota_waits_for_the_hours_qwen_names() -> None:
    """`num` is hours; without it there is no time to tell, and an absurd one is a week."""
    quota = classify(*refusal("RateLimited", "limit", num=10))
    assert quota.retry_after == 10 * 3600
    assert "10 h" in quota.message
    assert classify(*refusal("RateLimited")).retry_after is None
    assert ("retry-after", str(24 * 3600)) in classify(*refusal("RateLimited", num=1e300)).headers()


def test_quota_may_be_a_missing_session() -> None:
    """Qwen says RateLimited for a lost session too, so the message tells how to sign in again."""
    assert "sign in" in classify(*refusal("RateLimited")).message


def test_a_challenge_says_what_to_do() -> None:
    """The check is passed in the browser, and retrying makes it worse."""
    message = classify(*page("<html>_____tmd_____</html>")).message
    assert all(part in message for part in ("https://chat.qwen.ai", "browser", "15 to 30 minutes", "Do not retry"))


def test_qwens_own_words_are_quoted() -> None:
    """A short reason of Qwen's stands in the message."""
    assert "Something wrong with request!" in classify(*refusal("Bad_Request", "Something wrong with request!")).message


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        ({"error": {"code": "x"}}, True),
        ({"error": "x"}, True),
        ({"success": False}, True),
        (WAF, True),
        ({"code": "RateLimited"}, True),
        ({"error": None, **delta("a")}, False),
        ({"code": "x", **delta("a")}, False),
        ({"success": True}, False),
        (created(), False),
        ({}, False),
    ],
)
def test_a_frame_is_a_fault_or_not(frame: dict[str, Any], fault: bool) -> None:
    """Errors are told from ordinary frames by their fields."""
    assert is_fault(frame) is fault


def test_a_frame_is_classified_by_the_same_rows() -> None:
    """What an answer means as JSON, it means inside a stream."""
    assert type(classify_frame(WAF)) is ChallengeRequired
    assert type(classify_frame({"success": False, "data": {"code": "RateLimited", "num": 1}})) is QuotaExceeded
    assert type(classify_frame({})) is QwenRefused


@pytest.mark.parametrize(
    ("content_type", "stream"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/json", False),
        ("text/event-stream-ish", False),
        ("", False),
    ],
)
def test_an_event_stream_is_known_by_its_media_type(content_type: str, stream: bool) -> None:
    """Case and parameters do not matter."""
    assert is_event_stream(content_type) is stream


@given(st.integers(100, 599), st.binary(max_size=80), st.text(max_size=12))
def test_every_answer_has_a_meaning(status: int, body: bytes, content_type: str) -> None:
    """Any status with any body becomes an error, never an exception of another kind."""
    error = classify(status, [("content-type", content_type)], body)
    assert error.message
    assert error.headers()


LEAVES = {
    "rate_limited_v2": QuotaExceeded,
    "rate_limited_old_flat": QuotaExceeded,
    "chat_in_progress": ChatBusy,
    "parent_not_exist": ParentRefused,
    "too_many_messages": QwenRefused,
    "chat_deleted": ChatGone,
    "missing_chat_id": QwenRefused,
    "internal_error": QwenRefused,
    "something_wrong": QwenRefused,
    "unauthorized": ExpiredCredentials,
    "in_stream_quota": TokensExhausted,
    "in_stream_data_inspection_input": ContentRejected,
    "delta_status_error": QwenRefused,
    "waf_json_punish": ChallengeRequired,
    "waf_html_redirect": ChallengeRequired,
    "waf_html_aliyun": ChallengeRequired,
    "empty_stream": EmptyAnswer,
    "created_then_eof_system_role": EmptyAnswer,
}


def _recorded() -> list[dict[str, Any]]:
    path = QWEN / "errors.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line] if path.is_file() else []


@needs_shared
@pytest.mark.parametrize("case", _recorded(), ids=lambda case: case["name"])
def test_the_recorded_refusals(case: dict[str, Any]) -> None:
    """Every recorded error body becomes the leaf that the table of the protocol notes asks for."""
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    headers = [*case.get("headers", {}).items(), ("content-type", case["content_type"])]
    if is_event_stream(case["content_type"]):
        pipeline: Pipeline[bytes, StreamEvent] = Pipeline(SSEDecoder(), QwenDecoder())
        last = [*pipeline.feed(body.encode()), *pipeline.close()][-1]
        assert isinstance(last, ResponseFailed)
        error = last.error
    else:
        error = classify(case["http_status"], headers, body.encode())
    assert type(error) is LEAVES[case["name"]]
