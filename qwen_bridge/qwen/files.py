"""A text as a document of a Qwen message: what is sent for it, how its upload is signed, what the answers mean.

Four steps, each a path and a body here: `getstsToken` names a place in Alibaba's object store and a short-lived key, a
signed PUT writes the bytes there, `parse` has Qwen read them, `parse/status` tells when that is done. Then the document
is an element of the message's `files`. Shapes: captures 08 and 10 and the protocol notes, 1.2 and 2.4. Of the two known
bodies of `parse/status` the list form is sent: two independent clients of 2026 do, and it names what it asks for.

The store is not Qwen: nothing of the Qwen session may reach it; what reaches it is signed with the issued key alone.
Ids and times come in as arguments.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

import orjson
from pydantic import ValidationError

from qwen_bridge.errors import BridgeError, QwenRefused
from qwen_bridge.qwen.faults import classify
from qwen_bridge.wire.qwen_files import FileState, ParseStarted, ParseStates, StsToken

STS_PATH = "/api/v2/files/getstsToken"
PARSE_PATH = "/api/v2/files/parse"
PARSE_STATUS_PATH = "/api/v2/files/parse/status"

ELEMENT_ALLOWANCE = 4096
"""Bytes that one document's element adds to a message at most: about 700, and a signed address whose token is long."""

type Headers = Sequence[tuple[str, str]]
"""Response headers; a refusal under 200 may have its real status in one."""

_TEXT = "text/plain"
_ALGORITHM = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"  # the one value that version 4 admits: the bytes are guarded by TLS
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FAILED = frozenset({"failed", "failure", "fail", "error"})  # not captured; any other word than success means: wait
_STORE_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A document to be uploaded: its name and its bytes, which are UTF-8."""

    name: str
    data: bytes

    @classmethod
    def of(cls, name: str, text: str) -> Self:
        """Half surrogates, which UTF-8 cannot carry, become U+FFFD, as they do in a message."""
        return cls(_utf8(name).decode(), _utf8(text))


@dataclass(frozen=True, slots=True, repr=False)
class Grant:
    """Leave to write one file: its id and place, and the key for it. `url` is the signed address Qwen reads it from."""

    file_id: str
    url: str
    bucket: str
    region: str
    key_id: str
    secret: str
    security_token: str

    def __repr__(self) -> str:
        return f"Grant(file_id={self.file_id!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Put:
    """The request that writes the bytes: absolute address without a query, and every header but the framing."""

    url: str
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"Put(url={self.url!r})"

    @property
    def host(self) -> str:
        """The store's name, for messages."""
        return urlsplit(self.url).hostname or ""


def sts_request(file: TextFile) -> bytes:
    """Body of `POST getstsToken` for a document."""
    return orjson.dumps({"filename": file.name, "filesize": len(file.data), "filetype": "file"})


def parse_request(file_id: str) -> bytes:
    """Body of `POST parse`: Qwen reads a document only after that."""
    return orjson.dumps({"file_id": file_id})


def parse_status_request(file_id: str) -> bytes:
    """Body of `POST parse/status`."""
    return orjson.dumps({"file_id_list": [file_id]})


def grant_of(body: bytes, status: int = 200, headers: Headers = ()) -> Grant:
    """The grant in the answer of `getstsToken`. Raises the `BridgeError` of any other answer."""
    data = _read(StsToken, body, status, headers).data
    return Grant(
        file_id=data.file_id,
        url=data.file_url,
        bucket=data.bucketname,
        region=data.region.removeprefix("oss-"),
        key_id=data.access_key_id,
        secret=data.access_key_secret,
        security_token=data.security_token,
    )


def check_parse_started(body: bytes, status: int = 200, headers: Headers = ()) -> None:
    """Raise the `BridgeError` of an answer of `parse` that does not say that the parse has begun."""
    if _read(ParseStarted, body, status, headers).data is False:
        raise QwenRefused("Qwen took the uploaded document but would not read it. Ask again, or send less at once.")


def is_parsed(file_id: str, body: bytes, status: int = 200, headers: Headers = ()) -> bool:
    """Whether the answer of `parse/status` says that the file is ready.

    Raises `QwenRefused` when it says that the file cannot be read, and the `BridgeError` of any other answer. A word
    the bridge does not know means: not yet.
    """
    state = (_state_of(_read(ParseStates, body, status, headers).data, file_id) or "").lower()
    if state in _FAILED:
        raise QwenRefused("Qwen could not read the uploaded document. Ask again, or send less at once.")
    return state == "success"


def put_request(grant: Grant, now: float) -> Put:
    """The PUT of a file's bytes; `now` is in seconds since 1970.

    Raises `QwenRefused` for an address that is not https, unless it is this machine's (what is uploaded is somebody's
    conversation), and for a key that no header can carry.
    """
    url, key = _target(grant.url)
    headers = {
        "content-type": _TEXT,
        "x-oss-content-sha256": _UNSIGNED,
        "x-oss-date": datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ"),
        "x-oss-security-token": grant.security_token,
    }
    headers["authorization"] = authorization(grant, "PUT", f"/{grant.bucket}{key}", headers)
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        raise QwenRefused("Qwen gave an unreadable key for the upload. Nothing was sent. Ask again, or send less.")
    return Put(url, headers)


def authorization(grant: Grant, method: str, resource: str, headers: Mapping[str, str], query: str = "") -> str:
    """The `Authorization` of one request to the store, by signature version 4.

    `resource` is `/bucket/key`, not encoded; `headers` have lower-case names and are all signed, `x-oss-date` among
    them; `query` is canonical already: encoded, sorted, names without values without `=`. Rule: Alibaba Cloud, Object
    Storage Service, "Include a V4 signature in the Authorization header".
    """
    stamp = headers["x-oss-date"]
    scope = f"{stamp[:8]}/{grant.region}/oss/aliyun_v4_request"
    canonical = "\n".join(
        (
            method,
            quote(resource, safe="/~"),
            query,
            "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers)),
            "",  # no additional headers: all that are sent here are of those that version 4 signs anyway
            _UNSIGNED,
        )
    )
    string_to_sign = "\n".join((_ALGORITHM, stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = f"aliyun_v4{grant.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, string_to_sign.encode(), "sha256").hex()
    return f"{_ALGORITHM} Credential={grant.key_id}/{scope},Signature={signature}"


def put_refusal(status: int, body: bytes) -> BridgeError:
    """The error that an answer of the store other than 200 means. Of its XML only the code is told."""
    code = _STORE_CODE.search(body[:4096])
    said = f", {code[1].decode()}" if code else ""
    return QwenRefused(
        f"Qwen's file store refused the upload (status {status}{said}). Ask again, or send less at once."
    )


def document(grant: Grant, file: TextFile, *, now: float, item_id: str, task_id: str) -> dict[str, Any]:
    """The element of `files` for an uploaded and parsed document.

    `now` is in seconds since 1970; `item_id` and `task_id` are UUIDs of the client's making. Keys and their order are
    those of capture 08; type, showType and class those of a document (protocol notes, 2.4). Its address expires five
    minutes after the grant.
    """
    now_ms = int(now * 1000)
    return {
        "type": "file",
        "file": {
            "created_at": now_ms,
            "data": {},
            "filename": file.name,
            "hash": None,
            "id": grant.file_id,
            "meta": {"name": file.name, "size": len(file.data), "content_type": _TEXT},
            "update_at": now_ms,
        },
        "id": grant.file_id,
        "url": grant.url,
        "name": file.name,
        "collection_name": "",
        "progress": 0,
        "status": "uploaded",
        "greenNet": "success",
        "size": len(file.data),
        "error": "",
        "itemId": item_id,
        "file_type": _TEXT,
        "showType": "file",
        "file_class": "document",
        "uploadTaskId": task_id,
    }


def _read[Answer: (StsToken, ParseStarted, ParseStates)](
    form: type[Answer], body: bytes, status: int, headers: Headers
) -> Answer:
    try:
        answer = form.model_validate_json(body)
    except ValidationError:
        raise classify(status, headers, body) from None
    if not answer.success:
        raise classify(status, headers, body)
    return answer


def _state_of(states: Sequence[FileState] | FileState, file_id: str) -> str | None:
    """The word for this file; an entry that names no file is taken for it, since no other was asked for."""
    entries = [states] if isinstance(states, FileState) else states
    return next((entry.status for entry in entries if entry.file_id in (None, file_id)), None)


def _target(file_url: str) -> tuple[str, str]:
    """Where to put, and the key there, from the address to read: the same without its query, which signs a GET."""
    try:
        parts = urlsplit(file_url)
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
        safe = safe and bool(host) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        safe = False
    if not safe:
        raise QwenRefused(
            "Qwen named a place for the upload that is not an https address. Nothing was sent there. Send less, "
            "so that no upload is needed."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}", unquote(parts.path)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
