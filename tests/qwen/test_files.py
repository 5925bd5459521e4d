"""Documents of a message: bodies, the store's signature, answers and the finished element."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import (
    AnswerUnreadable,
    BridgeError,
    ChallengeRequired,
    ExpiredCredentials,
    QuotaExceeded,
    QwenRefused,
)
from qwen_bridge.qwen import files
from qwen_bridge.qwen.files import (
    Grant,
    TextFile,
    authorization,
    check_parse_started,
    document,
    grant_of,
    is_parsed,
    parse_request,
    parse_status_request,
    put_refusal,
    put_request,
    sts_request,
)
from qwen_bridge.simulator.ids import CountedIds
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.uploads import Uploads, describe
from tests.harness.shared import QWEN, needs_shared

FILE = TextFile("note ü.txt", "Grüße".encode())
NOW = 1_772_607_555.25  # 2026-03-04 06:59:15 UTC
GRANT = Grant(
    file_id="f1",
    url="https://bucket.store.example/me/f1_note%20%C3%BC.txt?x-oss-security-token=t&x-oss-signature=0",
    bucket="bucket",
    region="ap-southeast-1",
    key_id="STS.key",
    secret="hidden-secret",
    security_token="hidden-token",
)


def token_answer(**changed: Any) -> bytes:
    data = {
        "access_key_id": GRANT.key_id,
        "access_key_secret": GRANT.secret,
        "security_token": GRANT.security_token,
        "file_url": GRANT.url,
        "file_path": "me/f1_note ü.txt",
        "file_id": GRANT.file_id,
        "bucketname": GRANT.bucket,
        "region": "oss-ap-southeast-1",
        "endpoint": "store.example",
    }
    return json.dumps({"success": True, "request_id": "r", "data": data | changed}).encode()


# -- what is sent ---------------------------------------------------------------------------------------------------


def test_the_three_bodies() -> None:
    """Names and sizes as the web client gives them, the size in bytes."""
    assert json.loads(sts_request(FILE)) == {"filename": "note ü.txt", "filesize": 7, "filetype": "file"}
    assert json.loads(parse_request("f1")) == {"file_id": "f1"}
    assert json.loads(parse_status_request("f1")) == {"file_id_list": ["f1"]}


@needs_shared
def test_the_bodies_have_the_captured_shape() -> None:
    """The keys are those that a browser sent."""
    sts = json.loads((QWEN / "10_smanx_getstsToken_image.json").read_text(encoding="utf-8"))
    parse = json.loads((QWEN / "10_smanx_files_parse.json").read_text(encoding="utf-8"))
    assert list(json.loads(sts_request(FILE))) == list(sts["request"])
    assert list(json.loads(parse_request("f1"))) == list(parse["request"])


def test_half_surrogates_become_what_utf8_can_carry() -> None:
    """A text cut inside an emoji is uploaded with U+FFFD there; two halves that meet are the emoji."""
    assert TextFile.of("a\ud83d.txt", "x\ud83dy") == TextFile("a\ufffd.txt", "x\ufffdy".encode())
    assert TextFile.of("a", "\ud83d\ude00").data == "😀".encode()


# -- the signature --------------------------------------------------------------------------------------------------


def test_the_signature_is_alibabas() -> None:
    """A request that Alibaba's own client library is tested with gets the signature written there."""
    grant = replace(GRANT, key_id="ak", secret="sk", region="cn-hangzhou")
    headers = {
        "content-type": "text/plain",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": "20231216T162057Z",
        "x-oss-head1": "value",
    }
    query = "%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2"
    assert authorization(grant, "PUT", "/bucket/1234+-/123/1.txt", headers, query) == (
        "OSS4-HMAC-SHA256 Credential=ak/20231216/cn-hangzhou/oss/aliyun_v4_request,"
        "Signature=e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"
    )


@given(st.text(st.sampled_from("aü /+%&=?#~*'()[]漢😀.-_"), min_size=1, max_size=12), st.integers(0, 4 * 10**9))
def test_the_store_takes_what_is_signed(name: str, now: int) -> None:
    """Whatever the file is called and whenever it is sent, the simulated store verifies the request."""
    uploads = Uploads()
    file = TextFile.of(name, "hello")
    upload = uploads.issue("me", json.loads(sts_request(file)), CountedIds("t"))
    data = describe(upload, "http://127.0.0.1:1", now)
    put = put_request(grant_of(json.dumps({"success": True, "data": data}).encode()), now)
    target = urlsplit(put.url).path
    reply = uploads.put(Request(method="PUT", target=target, headers=put.headers, body=file.data))
    assert (reply.status, upload.data) == (200, b"hello"), reply.body


def test_the_bytes_go_where_they_are_read_from() -> None:
    """The address is that of the file without the signature for reading; the time is that of the call, in UTC."""
    put = put_request(GRANT, NOW)
    assert put.url == "https://bucket.store.example/me/f1_note%20%C3%BC.txt"
    assert put.host == "bucket.store.example"
    assert put.headers["x-oss-date"] == "20260304T065915Z"
    assert put.headers["x-oss-security-token"] == "hidden-token"
    assert put.headers["content-type"] == "text/plain"


def test_a_grant_for_this_machine_may_be_plain() -> None:
    """The simulator has no certificate; its store is on loopback."""
    assert put_request(replace(GRANT, url="http://127.0.0.1:8100/a?b"), NOW).url == "http://127.0.0.1:8100/a"


@pytest.mark.parametrize(
    "url",
    [
        "http://bucket.store.example/a",
        "http://127.0.0.1.example/a",
        "ftp://127.0.0.1/a",
        "https://user:word@bucket.store.example/a",
        "https://store.example:99999/a",
        "https://[::1/a",
        "https:///a",
        "//store.example/a",
        "a",
    ],
)
def test_nothing_is_put_to_an_unsafe_address(url: str) -> None:
    """What is uploaded is somebody's conversation: it goes to an https address or nowhere."""
    with pytest.raises(QwenRefused, match="not an https address"):
        put_request(replace(GRANT, url=url), NOW)


@pytest.mark.parametrize("changed", [{"security_token": "a\r\nb: c"}, {"key_id": "ключ"}])
def test_a_key_must_fit_into_a_header(changed: dict[str, str]) -> None:
    """A key with a line end or a letter beyond ASCII is refused before anything is sent."""
    with pytest.raises(QwenRefused, match="unreadable key"):
        put_request(replace(GRANT, **changed), NOW)


def test_no_secret_is_shown() -> None:
    """A log of a grant or a request holds neither key, token nor signed address."""
    put = put_request(GRANT, NOW)
    assert "hidden" not in f"{GRANT!r}{put!r}"
    assert "Signature" not in f"{GRANT!r}{put!r}"


# -- what comes back ------------------------------------------------------------------------------------------------


def test_a_grant_is_read() -> None:
    """Everything that signing needs is in it; the region is named as the signature wants it."""
    assert grant_of(token_answer()) == GRANT


@needs_shared
def test_the_captured_grant_is_read() -> None:
    """The answer that a browser got makes a request to the store's own host."""
    real = json.loads((QWEN / "10_smanx_getstsToken_image.json").read_text(encoding="utf-8"))["response"]
    grant = grant_of(json.dumps(real).encode())
    put = put_request(grant, NOW)
    assert put.host == f"{real['data']['bucketname']}.{real['data']['endpoint']}"
    assert grant.region == "ap-southeast-1"
    assert "?" not in put.url


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"success":false,"data":{"code":"RateLimited","num":2}}', QuotaExceeded),
        (b'{"success":false,"data":{"code":"Unauthorized"}}', ExpiredCredentials),
        (b'{"success":false,"data":{"code":"Bad_Request","details":"Something wrong with request!"}}', QwenRefused),
        (b"<html>_____tmd_____</html>", ChallengeRequired),
        (b"[]", BridgeError),
        (b"", BridgeError),
    ],
)
def test_any_other_answer_is_an_error(body: bytes, error: type[BridgeError]) -> None:
    """A refusal, a page or nothing raises what the faults say of it, for all three calls."""
    with pytest.raises(error):
        grant_of(body)
    with pytest.raises(error):
        check_parse_started(body)
    with pytest.raises(error):
        is_parsed("f1", body)


def test_a_grant_with_a_gap_is_unreadable() -> None:
    """A success without what an upload needs is none."""
    with pytest.raises(AnswerUnreadable):
        grant_of(token_answer(access_key_secret=None))


def test_the_real_status_counts() -> None:
    """A refusal under 200 may have its status in a header."""
    with pytest.raises(ExpiredCredentials):
        check_parse_started(b"{}", 200, [("x-actual-status-code", "401")])


def test_a_parse_that_does_not_begin_is_refused() -> None:
    """Qwen may take the bytes and yet say no."""
    check_parse_started(b'{"success":true,"data":true}')
    with pytest.raises(QwenRefused, match="would not read"):
        check_parse_started(b'{"success":true,"data":false}')


@pytest.mark.parametrize(
    ("data", "ready"),
    [
        ([{"file_id": "f1", "status": "success"}], True),
        ([{"status": "success"}], True),
        ({"status": "SUCCESS"}, True),
        ([{"file_id": "f0", "status": "success"}, {"file_id": "f1", "status": "processing"}], False),
        ([{"file_id": "f0", "status": "success"}], False),
        ([{"file_id": "f1", "status": "queued"}], False),
        ([{"file_id": "f1"}], False),
        ([], False),
    ],
)
def test_a_document_is_ready_when_it_is_said_of_it(data: Any, ready: bool) -> None:
    """Both forms of the answer are read; another file's state and an unknown word mean: not yet."""
    assert is_parsed("f1", json.dumps({"success": True, "data": data}).encode()) is ready


@pytest.mark.parametrize("word", ["failed", "Error"])
def test_a_document_that_cannot_be_read_is_an_error(word: str) -> None:
    """There is nothing to wait for after a failure."""
    with pytest.raises(QwenRefused, match="could not read"):
        is_parsed("f1", json.dumps({"success": True, "data": [{"file_id": "f1", "status": word}]}).encode())


def test_the_stores_refusal_tells_its_code_alone() -> None:
    """The XML repeats keys and signed text; only its code goes into the message."""
    body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>hidden</Message><OSSAccessKeyId>hidden</OSSAccessKeyId>"
    told = put_refusal(403, body)
    assert isinstance(told, QwenRefused)
    assert "status 403, SignatureDoesNotMatch" in told.message
    assert "hidden" not in told.message
    assert "status 502)" in put_refusal(502, b"<html>").message


# -- the element ----------------------------------------------------------------------------------------------------


def test_the_element_of_a_document() -> None:
    """Type, showType and class are those of documents, times are in milliseconds, sizes in bytes."""
    element = document(GRANT, FILE, now=NOW, item_id="i1", task_id="t1")
    assert (element["type"], element["showType"], element["file_class"]) == ("file", "file", "document")
    assert (element["status"], element["greenNet"], element["size"]) == ("uploaded", "success", 7)
    assert (element["id"], element["itemId"], element["uploadTaskId"]) == ("f1", "i1", "t1")
    assert element["url"] == GRANT.url
    assert element["file"] == {
        "created_at": 1_772_607_555_250,
        "data": {},
        "filename": "note ü.txt",
        "hash": None,
        "id": "f1",
        "meta": {"name": "note ü.txt", "size": 7, "content_type": "text/plain"},
        "update_at": 1_772_607_555_250,
    }


@needs_shared
def test_the_element_has_the_captured_shape() -> None:
    """The keys and the types of their values are those that a browser sent, in their order."""
    body = json.loads((QWEN / "08_smanx_image_upload_image_search_turn1_request_body.json").read_text(encoding="utf-8"))
    real = body["messages"][0]["files"][0]
    ours = document(GRANT, FILE, now=NOW, item_id="i1", task_id="t1")
    assert [(key, type(value)) for key, value in ours.items()] == [(key, type(value)) for key, value in real.items()]
    assert list(ours["file"]) == list(real["file"])
    assert list(ours["file"]["meta"]) == list(real["file"]["meta"])


def test_an_element_is_within_its_allowance() -> None:
    """With an address whose token is as long as Alibaba's are, an element needs no more bytes than are set aside."""
    grant = replace(GRANT, url=GRANT.url + "x" * 2000)
    assert len(json.dumps(document(grant, FILE, now=NOW, item_id="i" * 36, task_id="t" * 36))) < files.ELEMENT_ALLOWANCE
