from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from qwen_bridge.simulator.ids import CountedIds
from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.uploads import Upload, Uploads, describe
from tests.harness.oss import put
from tests.harness.shared import QWEN, needs_shared

WANTED = {"filename": "note ü.txt", "filesize": 5, "filetype": "file"}


def issued(**wanted: Any) -> tuple[Uploads, Upload]:
    uploads = Uploads()
    return uploads, uploads.issue("me", WANTED | wanted, CountedIds("t"))


@pytest.mark.parametrize("additional", ["", "host"])
def test_a_signed_put_is_taken(additional: str) -> None:
    """The bytes of a file are taken when the authorization was made from the issued credentials."""
    uploads, upload = issued()
    assert uploads.put(put(upload, additional)).status == 200
    assert uploads.get(upload.id, "me") is upload
    assert upload.data == b"hello"
    assert uploads.get(upload.id, "you") is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"authorization": ""}, "AccessDenied"),
        ({"authorization": "OSS AK:signature"}, "AccessDenied"),
        ({"x_oss_security_token": "other"}, "InvalidAccessKeyId"),
        ({"x_oss_content_sha256": "abc"}, "InvalidArgument"),
        ({"x_oss_date": "20260305T065915Z"}, "AccessDenied"),
        ({"x_oss_date": "20260304T065916Z"}, "SignatureDoesNotMatch"),
        ({"content_type": "text/html"}, "SignatureDoesNotMatch"),
        ({"x_oss_meta": "added"}, "SignatureDoesNotMatch"),
    ],
)
def test_a_put_that_is_not_signed_right_is_refused(changed: dict[str, str], code: str) -> None:
    """Anything that differs from what was signed is refused in OSS's words, and nothing is stored."""
    uploads, upload = issued()
    reply = uploads.put(put(upload, **changed))
    assert reply.status == 403
    assert f"<Code>{code}</Code>" in reply.body.decode()
    assert upload.data is None


def test_a_key_nobody_asked_for_is_not_found() -> None:
    """Only paths that were issued can be written."""
    uploads, upload = issued()
    other = Request(method="PUT", target="/me/other", headers=put(upload).headers)
    assert uploads.put(other).status == 404


@pytest.mark.parametrize("wanted", [{"filename": ""}, {"filesize": "5"}, {"filesize": True}, {"filetype": "exe"}])
def test_credentials_need_a_described_file(wanted: dict[str, Any]) -> None:
    """Name, size and kind must be given."""
    with pytest.raises(ValueError, match="file"):
        issued(**wanted)


@needs_shared
def test_the_credentials_have_the_captured_shape() -> None:
    """`getstsToken` answers with the captured keys in their order."""
    real = json.loads((QWEN / "10_smanx_getstsToken_image.json").read_text(encoding="utf-8"))["response"]["data"]
    told = describe(issued()[1], "http://127.0.0.1:1", 1772607555.0)
    assert list(told) == list(real)
    assert told["file_url"].partition("?")[0] == f"http://127.0.0.1:1/{quote(told['file_path'])}"
    assert "x-oss-date=20260304T065915Z" in told["file_url"]
    assert told["region"] == real["region"]
    assert told["bucketname"] == real["bucketname"]


def test_the_model_reads_a_document_when_it_has_been_parsed() -> None:
    """A document's text needs parsing; of a picture the model knows only that it is there."""
    _, document = issued()
    document.data = "täxt".encode()
    assert "not parsed" in document.text
    document.parsing = "success"
    assert document.text == "täxt"
    _, picture = issued(filetype="image", filename="a.png")
    picture.data = b"\x89PNG"
    assert picture.text == "[image a.png, 4 bytes]"
