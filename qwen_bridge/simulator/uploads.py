"""Files: the credentials to upload one, the upload itself, its parsing, and what the model reads of it.

The object store stands behind the same host and port as the simulator. It takes a PUT on the path of `file_url` with
an `OSS4-HMAC-SHA256` authorization made from the issued credentials, and checks it as Alibaba's OSS documents it
(signature version 4: canonical request, string to sign, key derived by date, region, product and request type).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote

from qwen_bridge.ports import IdSource
from qwen_bridge.simulator.requests import Reply, Request

_ALGORITHM = "OSS4-HMAC-SHA256"
_BUCKET = "qwen-webui-prod"
_REGION = "ap-southeast-1"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<key>[^/,\s]+)/(?P<date>\d{{8}})/(?P<region>[^/,\s]+)/oss/aliyun_v4_request"
    r"(?:,\s*AdditionalHeaders=(?P<additional>[^,\s]+))?,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_TYPES = ("image", "video", "file", "audio")


@dataclass(slots=True, kw_only=True)
class Upload:
    """One file, from the moment credentials were issued for it. `data` is None until it has been put."""

    id: str
    account: str
    name: str
    kind: str
    key_id: str
    secret: str
    security_token: str
    data: bytes | None = None
    parsing: Literal["no", "processing", "success"] = "no"

    @property
    def path(self) -> str:
        return f"{self.account}/{self.id}_{self.name}"

    @property
    def text(self) -> str:
        """What the model reads: a parsed document's text; of anything else, that it is there."""
        size = len(self.data or b"")
        if self.kind != "file":
            return f"[{self.kind} {self.name}, {size} bytes]"
        if self.parsing != "success":
            return f"[file {self.name}, not parsed]"
        return (self.data or b"").decode("utf-8", "replace")


class Uploads:
    """The files of all accounts."""

    __slots__ = ("_by_id", "_by_path")

    def __init__(self) -> None:
        self._by_id: dict[str, Upload] = {}
        self._by_path: dict[str, Upload] = {}

    def issue(self, account: str, wanted: Mapping[str, Any], ids: IdSource) -> Upload:
        """Credentials for `{"filename", "filesize", "filetype"}`. Raises `ValueError` when these are not given."""
        name, size, kind = (wanted.get(key) for key in ("filename", "filesize", "filetype"))
        if not isinstance(name, str) or not name:
            raise ValueError("filename")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError("filesize")
        if kind not in _TYPES:
            raise ValueError("filetype")
        upload = Upload(
            id=ids.uuid(),
            account=account,
            name=name,
            kind=kind,
            key_id=f"STS.{ids.token()}",
            secret=ids.token(),
            security_token=ids.token(),
        )
        self._by_id[upload.id] = upload
        self._by_path[upload.path] = upload
        return upload

    def get(self, file_id: object, account: str) -> Upload | None:
        """The account's file, if there is one and its bytes are here."""
        upload = self._by_id.get(file_id) if isinstance(file_id, str) else None
        return upload if upload is not None and upload.account == account and upload.data is not None else None

    def put(self, request: Request) -> Reply:
        """Take the bytes of a file, or say in OSS's XML why not."""
        upload = self._by_path.get(unquote(request.path).lstrip("/"))
        if upload is None:
            return _oss_error(404, "NoSuchKey", "no credentials were issued for this key")
        problem = _problem(upload, request)
        if problem:
            return _oss_error(403, *problem)
        upload.data = request.body
        return Reply(content_type="application/xml")

    def clear(self) -> None:
        self._by_id.clear()
        self._by_path.clear()


def describe(upload: Upload, base_url: str, now: float) -> dict[str, Any]:
    """The `data` of `getstsToken` (capture 10), with a `file_url` that leads to the simulator."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    credential = quote(f"{upload.key_id}/{stamp[:8]}/{_REGION}/oss/aliyun_v4_request", safe="")
    query = (
        f"x-oss-security-token={upload.security_token}&x-oss-date={stamp}&x-oss-expires=300"
        f"&x-oss-signature-version={_ALGORITHM}&x-oss-credential={credential}&x-oss-signature={'0' * 64}"
    )
    return {
        "access_key_id": upload.key_id,
        "access_key_secret": upload.secret,
        "security_token": upload.security_token,
        "file_url": f"{base_url}/{quote(upload.path)}?{query}",
        "file_path": upload.path,
        "file_id": upload.id,
        "bucketname": _BUCKET,
        "region": f"oss-{_REGION}",
        "endpoint": base_url.partition("://")[2],
    }


def signature(upload: Upload, request: Request, additional: str = "") -> str:
    """The signature that `request` must carry; `additional` lists header names, joined by `;`.

    Rule: Alibaba Cloud OSS, "Include a V4 signature in the Authorization header".
    """
    stamp = request.header("x-oss-date")
    scope = f"{stamp[:8]}/{_REGION}/oss/aliyun_v4_request"
    string_to_sign = "\n".join((_ALGORITHM, stamp, scope, sha256(_canonical(request, upload, additional)).hexdigest()))
    key = f"aliyun_v4{upload.secret}".encode()
    for part in (stamp[:8], _REGION, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, string_to_sign.encode(), "sha256").hexdigest()


def _canonical(request: Request, upload: Upload, additional: str) -> bytes:
    query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True)
    signed = {"content-type", "content-md5", *filter(None, additional.split(";"))}
    headers = {
        name: value.strip() for name, value in request.headers.items() if name in signed or name.startswith("x-oss-")
    }
    return "\n".join(
        (
            request.method,
            quote(f"/{_BUCKET}/{upload.path}", safe="/~"),
            "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in query)),
            "".join(f"{name}:{headers[name]}\n" for name in sorted(headers)),
            additional,
            "UNSIGNED-PAYLOAD",
        )
    ).encode()


def _problem(upload: Upload, request: Request) -> tuple[str, str] | None:
    """Why the request may not write, as OSS's code and a sentence; None when it may."""
    found = _AUTHORIZATION.fullmatch(request.header("authorization"))
    if found is None:
        return "AccessDenied", f"the authorization is no well-formed {_ALGORITHM}"
    if found["key"] != upload.key_id or request.header("x-oss-security-token") != upload.security_token:
        return "InvalidAccessKeyId", "the key or the security token is not the issued one"
    if request.header("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
        return "InvalidArgument", "x-oss-content-sha256 must be UNSIGNED-PAYLOAD"
    if found["date"] != request.header("x-oss-date")[:8] or found["region"] != _REGION:
        return "AccessDenied", "the scope does not fit the date or the region"
    if not hmac.compare_digest(found["signature"], signature(upload, request, found["additional"] or "")):
        return "SignatureDoesNotMatch", "the signature does not match the issued secret"
    return None


def _oss_error(status: int, code: str, message: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status=status, content_type="application/xml", body=body.encode())
