"""What a browser's request and Qwen's answer teach together."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from qwen_bridge.qwen.learning import (
    BODY_LIMIT,
    COMPLETIONS,
    LINE_LIMIT,
    LearnedSession,
    Lesson,
    Proof,
    lesson_of,
    renewed,
    signs_out,
    taught,
)
from tests.qwen.test_credentials import jwt

ORIGIN = "https://chat.qwen.ai"
TOKEN = jwt(id="u1", exp=2_000_000_000)
HEADERS = {
    "cookie": f"cna=a; token={TOKEN}; acw_tc=b",
    "user-agent": "Mozilla/5.0 (X11)",
    "bx-umidtoken": "T2gA",
    "bx-ua": "231!abc",
    "version": "0.3.11",
    "sec-ch-ua-platform": '"Linux"',
    "sec-fetch-site": "same-origin",
    "origin": ORIGIN,
    "timezone": "Mon Oct 27 2025 10:00:00 GMT+0800",
    "x-request-id": "r1",
}
JSON = [("content-type", "application/json")]
SSE = [("content-type", "text/event-stream")]
NOW = 1_800_000_000.0


def lesson(method: str = "POST", path: str = f"{COMPLETIONS}?chat_id=c1", **changed: str | None) -> Lesson | None:
    fields = HEADERS | {name.replace("_", "-"): value for name, value in changed.items()}
    return lesson_of(method, path, [(name, value) for name, value in fields.items() if value is not None], ORIGIN)


def given(**changed: Any) -> Lesson:
    found = lesson(**changed)
    assert found is not None
    return found


def proven(body: bytes, headers: list[tuple[str, str]] = JSON, status: int = 200, cut: int = 0) -> bool | None:
    proof = Proof(status, headers)
    for at in range(0, len(body), cut or len(body) or 1):
        proof.feed(body[at : at + (cut or len(body))])
    proof.close()
    return proof.proven


def test_the_whole_session_is_taken_from_one_request() -> None:
    """Cookies as they stand, the browser's own headers, and none that belong to the one request."""
    found = given()
    assert found.credentials.cookies == HEADERS["cookie"]
    assert (found.credentials.bx_umidtoken, found.credentials.user_agent) == ("T2gA", "Mozilla/5.0 (X11)")
    assert dict(found.credentials.extra) == {
        name: HEADERS[name] for name in ("bx-ua", "version", "sec-ch-ua-platform", "sec-fetch-site")
    }
    assert found.credentials.session == TOKEN
    assert found.credentials.missing() == []
    assert TOKEN not in repr(found)
    assert found.asked


def test_http_2_may_cut_the_cookies() -> None:
    """Several fields are one line."""
    fields = [(name, value) for name, value in HEADERS.items() if name != "cookie"]
    found = lesson_of("POST", COMPLETIONS, [*fields, ("cookie", "cna=a"), ("cookie", f"token={TOKEN}")], ORIGIN)
    assert found is not None
    assert found.credentials.cookies == f"cna=a; token={TOKEN}"


@pytest.mark.parametrize(
    "changed",
    [
        {"sec_fetch_site": None},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"cookie": "cna=a"},
        {"cookie": None},
        {"cookie": "token="},
        {"user_agent": None},
        {"cookie": f"token={TOKEN}; x={'y' * LINE_LIMIT}"},
    ],
    ids=lambda changed: str(changed)[:60],
)
def test_what_was_not_sent_by_the_sites_own_page_of_a_signed_in_user_teaches_nothing(changed: dict[str, Any]) -> None:
    """Other sites' pages, address bars, programs, guests."""
    assert lesson(**changed) is None


@pytest.mark.parametrize(
    ("path", "teaches"),
    [
        (COMPLETIONS, True),
        ("/api/v2/chats/?page=1", True),
        ("/api/v2/chats/new", True),
        ("/api/v1/auths/", True),
        ("/api/v2/users/user/settings", True),
        ("/api/models", False),
        ("/api/v2/configs/", False),
        ("/", False),
        ("/api/v2/chatsalot", False),
    ],
)
def test_only_what_an_account_has_teaches(path: str, teaches: bool) -> None:
    """The page, the models and the configuration are for guests too."""
    assert (lesson("GET", path) is not None) is teaches


@pytest.mark.parametrize("cut", [0, 1, 7])
@pytest.mark.parametrize(
    ("body", "headers", "status", "shows"),
    [
        (b'{"success":true,"data":{}}', JSON, 200, True),
        (b'{"id":"u1","role":"user","email":"x"}', JSON, 200, True),
        (b'{"id":"u1","role":"pending"}', JSON, 200, False),
        (b'{"success":false,"data":{"code":"Unauthorized"}}', JSON, 200, False),
        (b'{"success":false,"data":{"code":"RateLimited"}}', JSON, 200, False),
        (b'{"success":true}', [*JSON, ("x-actual-status-code", "401")], 200, False),
        (b'{"success":true}', JSON, 401, False),
        (b'{"success":true}', JSON, 302, False),
        (b'{"ret":["FAIL_SYS_USER_VALIDATE"],"data":{"url":"/_____tmd_____/punish"}}', JSON, 200, False),
        (b"<html>aliyun_waf_aa</html>", [("content-type", "text/html")], 200, False),
        (b'{"detail":"ok"}', JSON, 200, False),
        (b"", JSON, 200, False),
        (b'data: {"response.created":{"chat_id":"c"}}\n\ndata: {}\n\n', SSE, 200, True),
        (b': hello\ndata: {"response.created":{}}\n\n', SSE, 200, True),
        (b'data: {"error":{"code":"internal_error"}}\n\n', SSE, 200, False),
        (b'data: {"success":false,"response.created":{}}\n\n', SSE, 200, False),
        (b"data: nothing\n\n", SSE, 200, False),
        (b"", SSE, 200, False),
        (b'{"success":true,"x":"' + b"y" * BODY_LIMIT + b'"}', JSON, 200, False),
    ],
)
def test_a_status_of_200_proves_nothing(
    body: bytes, headers: list[tuple[str, str]], status: int, shows: bool, cut: int
) -> None:
    """Only an envelope of success, an account that may chat, or a stream that begins as an answer, in any pieces."""
    if len(body) < BODY_LIMIT or cut != 1:
        assert proven(body, headers, status, cut) is shows


def test_a_stream_proves_itself_with_its_first_frame() -> None:
    """An answer may take minutes; who waits for the session need not."""
    proof = Proof(200, SSE)
    proof.feed(b'data: {"response.created":{}}\n')
    assert proof.proven is None
    proof.feed(b"\n")
    assert proof.proven is True


def test_what_is_still_compressed_proves_nothing() -> None:
    """Undoing the encoding is for others."""
    assert proven(gzip.compress(b'{"success":true}')) is False


def test_the_first_lesson_of_an_account_is_all_that_is_known() -> None:
    """With its times; a question that was answered is a passed check."""
    session = taught(None, given(), NOW)
    assert session == LearnedSession(given().credentials, NOW, NOW, NOW)
    assert session.spoken.check != LearnedSession(given().credentials, NOW, NOW).spoken.check


def test_a_request_without_the_umid_token_renews_the_cookies_alone() -> None:
    """Most of the page's requests carry none; the browser is the same."""
    known = taught(None, given(), NOW)
    found = lesson("GET", "/api/v2/chats/", bx_umidtoken=None, bx_ua=None, cookie=f"token={TOKEN}; acw_tc=new")
    assert found is not None
    session = taught(known, found, NOW + 9)
    assert session is not None
    assert "acw_tc=new" in session.credentials.cookies
    assert session.credentials.bx_umidtoken == "T2gA"
    assert ("bx-ua", "231!abc") in session.credentials.extra
    assert (session.learned, session.seen, session.answered) == (NOW, NOW + 9, NOW)


def test_values_of_two_browsers_are_not_mixed() -> None:
    """Another browser teaches nothing until it has asked something, and then everything."""
    known = taught(None, given(), NOW)
    other = lesson("GET", "/api/v2/chats/", bx_umidtoken=None, user_agent="Mozilla/5.0 (Mac)")
    assert other is not None
    assert taught(known, other, NOW) is None
    whole = taught(known, given(user_agent="Mozilla/5.0 (Mac)", bx_umidtoken="other"), NOW)
    assert whole is not None
    assert (whole.credentials.user_agent, whole.credentials.bx_umidtoken) == ("Mozilla/5.0 (Mac)", "other")


def test_cookies_that_rotate_end_no_captcha() -> None:
    """What Qwen said of the session holds until Qwen has answered a question of the browser's."""
    first = taught(None, given(), NOW)
    listed = lesson("GET", "/api/v2/chats/", cookie=f"token={TOKEN}; acw_tc=new")
    assert first is not None
    assert listed is not None
    second = taught(first, listed, NOW + 1)
    assert second is not None
    third = taught(second, given(), NOW + 2)
    assert third is not None
    prints = [session.spoken.fingerprint for session in (first, second, third)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("line", "jar"),
    [
        ("acw_tc=new; path=/; HttpOnly; Max-Age=1800", {"a": "1", "acw_tc": "new"}),
        ("x5sec=z", {"a": "1", "acw_tc": "old", "x5sec": "z"}),
        ("acw_tc=; Max-Age=0", {"a": "1"}),
        ("acw_tc=x; Max-Age=-1", {"a": "1"}),
        ("acw_tc=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {"a": "1"}),
        ("acw_tc=x; Expires=nonsense", {"a": "1", "acw_tc": "x"}),
        ("acw_tc=x; Domain=.Qwen.ai", {"a": "1", "acw_tc": "x"}),
        ("acw_tc=x; Domain=chat.qwen.ai", {"a": "1", "acw_tc": "x"}),
        ("acw_tc=x; Domain=evil.example", {"a": "1", "acw_tc": "old"}),
        ("acw_tc=x; Domain=t.qwen.ai", {"a": "1", "acw_tc": "old"}),
        ("acw_tc=x; path=/api/v2", {"a": "1", "acw_tc": "old"}),
        ("nonsense", {"a": "1", "acw_tc": "old"}),
        ("", {"a": "1", "acw_tc": "old"}),
    ],
)
def test_set_cookie_is_kept_as_a_browser_keeps_it(line: str, jar: dict[str, str]) -> None:
    """Renewed, added, deleted; what is for a part of the site is left alone."""
    credentials = given(cookie=f"token={TOKEN}; a=1; acw_tc=old").credentials
    after = renewed(credentials, [line], NOW, "chat.qwen.ai")
    assert after.cookies == "; ".join(f"{name}={value}" for name, value in {"token": TOKEN, **jar}.items())


def test_a_deleted_token_leaves_no_session() -> None:
    """That is how the site signs out."""
    assert renewed(given().credentials, ["token=; Max-Age=0; path=/"], NOW, "chat.qwen.ai").session == ""


@pytest.mark.parametrize(
    ("path", "ends"), [("/api/v1/auths/signout", True), ("/api/v2/auths/logout/?a=b", True), ("/api/v1/auths/", False)]
)
def test_a_request_that_signs_out(path: str, ends: bool) -> None:
    """By the last word of its path."""
    assert signs_out(path) is ends


def test_an_unparsable_stream_frame_is_no_proof() -> None:
    """A frame that is no object proves nothing either."""
    assert proven(b"data: " + json.dumps(["response.created"]).encode() + b"\n\n", SSE) is False
