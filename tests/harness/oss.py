"""A client's side of Alibaba's object store: a signed PUT, its signature version 4 written a second time."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import quote, urlsplit

from qwen_bridge.simulator.requests import Request
from qwen_bridge.simulator.uploads import Upload, describe

STAMP = "20260304T065915Z"


def sign(upload: Upload, headers: dict[str, str], additional: str = "") -> str:
    """Alibaba's signature version 4, written a second time."""
    scope = f"{headers['x-oss-date'][:8]}/ap-southeast-1/oss/aliyun_v4_request"
    names = sorted(n for n in headers if n.startswith("x-oss-") or n in ("content-type", "content-md5", "host"))
    names = [n for n in names if n != "host" or additional]
    canonical = (
        "PUT\n"
        + quote(f"/qwen-webui-prod/{upload.path}")
        + "\n\n"
        + "".join(f"{n}:{headers[n]}\n" for n in names)
        + f"\n{additional}\nUNSIGNED-PAYLOAD"
    )
    to_sign = f"OSS4-HMAC-SHA256\n{headers['x-oss-date']}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = ("aliyun_v4" + upload.secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    listed = f"AdditionalHeaders={additional}," if additional else ""
    return f"OSS4-HMAC-SHA256 Credential={upload.key_id}/{scope},{listed}Signature={signature}"


def put(upload: Upload, additional: str = "", **changed: str) -> Request:
    """A signed PUT; `changed` replaces headers after the signing, `_` for `-`."""
    headers = {
        "host": "127.0.0.1",
        "content-type": "text/plain",
        "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
        "x-oss-date": STAMP,
        "x-oss-security-token": upload.security_token,
    }
    headers["authorization"] = sign(upload, headers, additional)
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    path = urlsplit(describe(upload, "http://127.0.0.1:1", 0.0)["file_url"]).path
    return Request(method="PUT", target=path, headers=headers, body=b"hello")
