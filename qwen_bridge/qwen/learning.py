"""What a browser's own traffic with Qwen's site teaches of its session: which requests teach, and what proves them.

A request teaches when the site's own page sent it (`Sec-Fetch-Site: same-origin`, which no page can forge and no other
site's page can have), it asks for something that only an account has, and Qwen's answer shows that the account has it.
A status of 200 shows nothing: captcha, expired token and quota come with it (protocol notes, section 5). So the
beginning of the body is looked at: an envelope of success, the account itself, or a stream that begins as an answer.

What is learned is what the browser sent to this one host: the whole Cookie line, because the firewall punishes one that
is not (notes, section 1.3), and the headers that say which browser it is. Headers that belong to the one request
(`x-request-id`, `timezone`, which is a date) are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final

import orjson

from qwen_bridge.qwen.credentials import Credentials, cookie_pairs
from qwen_bridge.qwen.faults import is_event_stream, is_fault
from qwen_bridge.qwen.refusal import read_answer

COMPLETIONS: Final = "/api/v2/chat/completions"
"""The call whose answer shows that Qwen's firewall lets this browser ask."""

EXTRA: Final = (
    "accept-language",
    "bx-ua",
    "bx-v",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "version",
)
"""Headers that say which browser, and which age of the site's page, it is."""

BODY_LIMIT: Final = 256 * 1024
"""Bytes of an answer that are looked at; a longer one teaches nothing."""

LINE_LIMIT: Final = 32 * 1024
"""Bytes of one header that may be learned; browsers hold fewer cookies for a host."""

_OF_AN_ACCOUNT = re.compile(r"/api/v\d/(?:chats|chat/completions|auths|users)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one proven request taught. `asked`: it was a question, and Qwen has begun to answer it."""

    credentials: Credentials
    asked: bool


@dataclass(frozen=True, slots=True)
class LearnedSession:
    """A session as it is known from a browser; times are in seconds since 1970, 0 for never.

    `learned` is when it was first seen, `seen` when Qwen last took it, `answered` when Qwen last answered a question of
    the browser's.
    """

    credentials: Credentials
    learned: float
    seen: float
    answered: float = 0.0

    @property
    def spoken(self) -> Credentials:
        """The session as the bridge speaks with it: a question that Qwen answered in the browser is a passed check."""
        return replace(self.credentials, learned=True, check=f"{self.answered:.3f}")


def lesson_of(method: str, path: str, headers: Sequence[tuple[str, str]], origin: str) -> Lesson | None:
    """What a request would teach if its answer proves it; None when it teaches nothing whatever the answer.

    `headers` have names in lower case; `origin` is that of Qwen's site, `https://chat.qwen.ai`.
    """
    fields: dict[str, str] = {}
    for name, value in headers:
        # HTTP/2 cuts cookies into several fields (RFC 9113, section 8.2.3).
        fields[name] = f"{fields[name]}; {value}" if name == "cookie" and name in fields else value
    plain = path.partition("?")[0]
    if not _OF_AN_ACCOUNT.fullmatch(plain) or fields.get("sec-fetch-site") != "same-origin":
        return None
    if fields.get("origin", origin) != origin or any(len(value) > LINE_LIMIT for value in fields.values()):
        return None
    credentials = Credentials(
        token="",
        cookies=fields.get("cookie", ""),
        bx_umidtoken=fields.get("bx-umidtoken", ""),
        user_agent=fields.get("user-agent", ""),
        extra=tuple((name, fields[name]) for name in EXTRA if fields.get(name)),
        learned=True,
    )
    if not credentials.session or not credentials.user_agent:
        return None
    return Lesson(credentials, asked=method == "POST" and plain == COMPLETIONS)


def signs_out(path: str) -> bool:
    """Whether a request ends the browser's session. No capture shows the path; these are the names that sites use."""
    return path.partition("?")[0].rstrip("/").rpartition("/")[2] in ("signout", "logout")


class Proof:
    """Looks at an answer, as it passes, for a sign that it is an account's. `proven` is None until that is known."""

    __slots__ = ("_body", "_headers", "_status", "_stream", "proven")

    def __init__(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        fields = {name.lower(): value for name, value in headers}
        self._status = status
        self._headers = headers
        self._stream = is_event_stream(fields.get("content-type", ""))
        self._body = b""
        self.proven: bool | None = None if 200 <= status < 300 else False

    def feed(self, data: bytes) -> None:
        """Some of the body, its encoding undone."""
        if self.proven is not None:
            return
        self._body += data
        if self._stream and b"\n\n" in self._body:
            self.proven = _begins(self._body)
        elif len(self._body) > BODY_LIMIT:
            self.proven = False

    def close(self) -> None:
        """The body is complete."""
        if self.proven is None:
            self.proven = not self._stream and _succeeds(self._status, self._headers, self._body)
        self._body = b""


def taught(known: LearnedSession | None, lesson: Lesson, now: float) -> LearnedSession | None:
    """The session of an account after a lesson about it; None when the lesson is of no use beside what is known.

    Most of the page's requests carry no `bx-umidtoken`. Such a one renews the cookies of the browser that is known
    already; of another browser it teaches nothing, for values of two browsers do not fit together.
    """
    found = lesson.credentials
    if known is not None and not found.bx_umidtoken:
        old = known.credentials
        if old.bx_umidtoken and old.user_agent != found.user_agent:
            return None
        found = replace(found, bx_umidtoken=old.bx_umidtoken, extra=old.extra if old.bx_umidtoken else found.extra)
    return LearnedSession(
        found,
        learned=now if known is None else known.learned,
        seen=now,
        answered=now if lesson.asked else 0.0 if known is None else known.answered,
    )


def renewed(credentials: Credentials, set_cookies: Sequence[str], now: float, host: str) -> Credentials:
    """The session after the `Set-Cookie` lines of an answer of `host` to it, as a browser would keep them.

    A deleted cookie goes. One that is for a part of the site only (`Path`) is left alone: the browser's next request
    says whether it belongs here.
    """
    jar = dict(cookie_pairs(credentials.cookies))
    for line in set_cookies:
        if (read := _set_cookie(line, now, host)) is not None:
            name, value = read
            jar.pop(name, None) if value is None else jar.__setitem__(name, value)
    return replace(credentials, cookies="; ".join(f"{name}={value}" for name, value in jar.items()))


def _set_cookie(line: str, now: float, host: str) -> tuple[str, str | None] | None:
    """Name and value of a `Set-Cookie` line, the value None for a deletion (RFC 6265, sections 4.1 and 5.2)."""
    pair, *rest = line.split(";")
    name, equals, value = pair.partition("=")
    attributes = {key.strip().lower(): word.strip() for key, _, word in (part.partition("=") for part in rest)}
    if not equals or not name.strip() or len(line) > LINE_LIMIT or attributes.get("path", "/") != "/":
        return None
    domain = attributes.get("domain", "").lower().removeprefix(".")
    if domain and host != domain and not host.endswith(f".{domain}"):
        return None
    return name.strip(), None if _is_over(attributes, now) or not value.strip() else value.strip()


def _is_over(attributes: Mapping[str, str], now: float) -> bool:
    age = attributes.get("max-age")
    if age is not None and re.fullmatch(r"-?\d{1,12}", age):
        return int(age) <= 0
    try:
        return "expires" in attributes and parsedate_to_datetime(attributes["expires"]).timestamp() <= now
    except (ValueError, OverflowError):
        return False


def _begins(body: bytes) -> bool:
    """Whether a stream begins as an answer does: with `response.created`, after comments at most."""
    for line in body.split(b"\n"):
        if line.startswith(b"data:"):
            try:
                frame = orjson.loads(line[5:])
            except orjson.JSONDecodeError:
                return False
            return isinstance(frame, dict) and not is_fault(frame) and "response.created" in frame
    return False


def _succeeds(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bool:
    """Whether a JSON answer is the envelope of success, or an account that may chat (`GET /api/v1/auths/`)."""
    answer = read_answer(status, headers, body)
    if not answer.parsed or answer.challenged or not 200 <= answer.status < 300:
        return False
    return answer.success is True or (answer.success is None and not answer.code and answer.role == "user")
