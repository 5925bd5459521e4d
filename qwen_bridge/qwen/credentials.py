"""The values that let the bridge speak as the user's browser, and the headers made of them.

The protocol notes (section 1.3) show the site's demands growing: in late 2025 cookies, `bx-umidtoken` and User-Agent
were enough, since June 2026 the firewall wants the browser's whole header set. So the known headers are made here, and
whatever else a browser sent (`bx-ua`, `version`, `sec-ch-ua`, …) passes through `extra` byte for byte.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from qwen_bridge.errors import ExpiredCredentials, MissingCredentials

_BX_VERSION = "2.5.36"  # the newest in the notes; the site does not check it against anything
_FRAMING = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect", "cookie2"}
)
_ACCOUNT_CLAIMS = ("id", "sub", "user_id")

_NOT_SEEN = (
    "The bridge knows no Qwen session yet. Run `qwen-bridge browser` on its machine (or open https://chat.qwen.ai in "
    "any browser that uses the bridge as its proxy), sign in, and send a message there: the bridge learns the session "
    "from that. To give it by hand, set QWEN_COOKIES (or QWEN_TOKEN), QWEN_BX_UMIDTOKEN and QWEN_USER_AGENT (README)."
)
_NOT_ASKED = (
    "The bridge has seen that you are signed in at Qwen, but no message of yours; only that carries the rest of the "
    "session (bx-umidtoken). Send one at https://chat.qwen.ai in the browser that uses the bridge as its proxy."
)
_OVER = (
    "The Qwen session has expired. Open https://chat.qwen.ai in the browser that uses the bridge as its proxy, sign in "
    "again, and send a message there: the bridge then goes on by itself."
)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """One Qwen session, as the browser holds it. An empty string means "not given".

    `token` is the JWT of the cookie `token`; it may stand in `cookies` (a whole Cookie header) instead. `extra` are
    further request headers of the browser, names in any case. `learned`: they come, or are to come, from the browser's
    own traffic. `check` changes when a person has passed the firewall's check since.
    """

    token: str
    cookies: str
    bx_umidtoken: str
    user_agent: str
    extra: tuple[tuple[str, str], ...] = ()
    learned: bool = False
    check: str = ""

    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, missing={self.missing()!r})"

    @property
    def session(self) -> str:
        """The JWT in use: `token`, or else the cookie of that name; `""` without either."""
        return _clean(self.token) or dict(cookie_pairs(self.cookies)).get("token", "")

    @property
    def account(self) -> str:
        """Sixteen hex digits that stay the same for one account, also when its token is renewed; `""` without one.

        From the token's own account claim where it is a JWT, from the whole token otherwise.
        """
        session = self.session
        if not session:
            return ""
        claims = _claims(session)
        named = next((f"{name}:{claims[name]}" for name in _ACCOUNT_CLAIMS if _is_id(claims.get(name))), session)
        return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:16]

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits for what Qwen says of a session: they change when the session is to be tried anew.

        With any of the values, where a person gave them. Those of a learned session change all the time, some with
        each answer of Qwen's, and that ends no captcha: there the account, the browser and its last passed check count.
        """
        if self.learned:
            return _digest(self.account, self.user_agent, self.check)
        return _digest(self.token, self.cookies, self.bx_umidtoken, self.user_agent, *map(":".join, self.extra))

    @property
    def expires_at(self) -> float | None:
        """When the token ends, in seconds since 1970; None when it does not say."""
        end = _claims(self.session).get("exp")
        return float(end) if isinstance(end, int | float) and not isinstance(end, bool) else None

    def cookie_header(self) -> str:
        """Value of `Cookie`: the cookies in their order, and exactly one `token`, the one given by itself if any."""
        session = self.session
        pairs = [(name, session if name == "token" else value) for name, value in cookie_pairs(self.cookies)]
        unique = dict(pairs)
        if session:
            unique.setdefault("token", session)
        return "; ".join(f"{name}={value}" for name, value in unique.items())

    def secrets(self) -> Sequence[str]:
        """What nobody else may read, value by value."""
        signed = [value for name, value in self.extra if name.lower() == "bx-ua"]
        return [self.token, self.bx_umidtoken, *signed, *(value for _, value in cookie_pairs(self.cookies))]

    def missing(self) -> list[str]:
        """The environment names of what is not there; empty when the session is complete."""
        needs = (
            ("QWEN_TOKEN or QWEN_COOKIES", self.session),
            ("QWEN_BX_UMIDTOKEN", _clean(self.bx_umidtoken)),
            ("QWEN_USER_AGENT", _clean(self.user_agent)),
        )
        return [name for name, value in needs if not value]

    def require(self, now: float) -> None:
        """Raise what stands against using this session; `now` is in seconds since 1970.

        Raises `MissingCredentials`, which names every way to set each missing value, or `ExpiredCredentials`.
        """
        missing = self.missing()
        if missing and self.learned:
            raise MissingCredentials(_NOT_SEEN if not self.session else _NOT_ASKED)
        if missing:
            ways = "; ".join(_ways(name) for name in missing)
            raise MissingCredentials(
                f"The bridge has no complete Qwen session. Sign in at https://chat.qwen.ai, copy what is missing from "
                f"the browser's developer tools, and set {ways}."
            )
        end = self.expires_at
        if end is not None and end <= now:
            raise ExpiredCredentials(
                _OVER
                if self.learned
                else "The Qwen session has expired. Sign in at https://chat.qwen.ai and give the bridge the new "
                f"cookies: set {_ways('QWEN_TOKEN or QWEN_COOKIES')}."
            )


def request_headers(
    credentials: Credentials, *, origin: str, referer_chat_id: str | None, request_id: str
) -> list[tuple[str, str]]:
    """The request headers of one call, lower case, without `host` and framing.

    `origin` is scheme and host without a slash; `referer_chat_id` the chat a call is about, None for the others
    (models, new chat): only a call about a chat asks the servers on the way not to hold its answer back. `extra` may
    add names, never replace one, except `bx-v`. `accept-encoding: identity` because a compressed stream arrives in
    lumps.
    """
    chat = f"c/{referer_chat_id}" if referer_chat_id else ""
    headers = [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("content-type", "application/json"),
        ("source", "web"),
        ("x-request-id", request_id),
        ("user-agent", _clean(credentials.user_agent)),
        ("origin", origin),
        ("referer", f"{origin}/{chat}"),
        ("bx-umidtoken", _clean(credentials.bx_umidtoken)),
        ("cookie", credentials.cookie_header()),
    ]
    if referer_chat_id:
        headers.append(("x-accel-buffering", "no"))
    headers = [(name, value) for name, value in headers if value]
    taken = {name for name, _ in headers} | _FRAMING
    added = [(name.lower(), _clean(value)) for name, value in credentials.extra if name.lower() not in taken]
    if all(name != "bx-v" for name, _ in added):
        added.append(("bx-v", _BX_VERSION))
    return headers + added


def _ways(name: str) -> str:
    """`QWEN_TOKEN or QWEN_COOKIES` to every place where one of them can be set."""
    names = name.split(" or ")
    options = " or ".join(f"`--set {each.lower()}=…`" for each in names)
    keys = " or ".join(f"`{each.removeprefix('QWEN_').lower()}`" for each in names)
    return f"{name} in the environment, {options} for mitmproxy, or {keys} in config.toml"


def cookie_pairs(cookies: str) -> Sequence[tuple[str, str]]:
    """A Cookie header as pairs. Line ends, which a paste brings in, separate like semicolons; no value can hold one."""
    cookies = re.sub(r"\A\s*cookie:", "", cookies, flags=re.IGNORECASE)
    pairs = (part.partition("=") for part in re.split(r"[;\r\n]", cookies))
    return [(_clean(name), _clean(value)) for name, _, value in pairs if _clean(name)]


def _claims(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified: it is the user's own. Empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        value = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, Base64Error):
        return {}
    return value if isinstance(value, dict) else {}


def _digest(*values: str) -> str:
    return hashlib.sha256("\0".join(values).encode("utf-8", "replace")).hexdigest()[:16]


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _clean(value: str) -> str:
    """A value as a header may carry it: without control characters, which end a header or break the request."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", value).strip()
