"""The values of one browser session, and the headers made of them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_bridge.errors import ExpiredCredentials, MissingCredentials
from qwen_bridge.qwen.credentials import Credentials, request_headers

NOW = 1_800_000_000.0


def jwt(**claims: object) -> str:
    """A token of the form that Qwen sets, with a signature of no worth."""
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (b"{}", orjson.dumps(claims), b"sig"))


FULL = Credentials(jwt(id="u1", exp=NOW + 60), "cna=1; acw_tc=2", "T2gA", "Mozilla/5.0")


def headers(credentials: Credentials, chat: str | None = "c1") -> dict[str, str]:
    """The headers by name; no name may come twice."""
    pairs = request_headers(credentials, origin="https://chat.qwen.ai", referer_chat_id=chat, request_id="r1")
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_complete_session_misses_nothing() -> None:
    """Token, umid token and user agent are enough to begin with."""
    assert FULL.missing() == []
    FULL.require(NOW)


def test_the_token_may_stand_in_the_cookies() -> None:
    """A whole Cookie header brings its token along."""
    session = replace(FULL, token="", cookies=f"cna=1; token={FULL.token}; x=2")
    assert session.session == FULL.token
    assert session.missing() == []
    assert session.account == FULL.account


def test_missing_values_are_named_with_every_way_to_set_them() -> None:
    """The error names environment variables, mitmproxy options and keys of the file."""
    with pytest.raises(MissingCredentials) as caught:
        Credentials("", "cna=1", "", "").require(NOW)
    for way in (
        "QWEN_TOKEN", "QWEN_COOKIES", "QWEN_BX_UMIDTOKEN", "QWEN_USER_AGENT", "--set qwen_token=",
        "--set qwen_cookies=", "--set qwen_bx_umidtoken=", "--set qwen_user_agent=", "`bx_umidtoken`", "config.toml",
    ):  # fmt: skip
        assert way in caught.value.message


def test_only_what_is_missing_is_named() -> None:
    """Who has a token is not asked for it."""
    session = replace(FULL, user_agent=" ")
    assert session.missing() == ["QWEN_USER_AGENT"]
    with pytest.raises(MissingCredentials) as caught:
        session.require(NOW)
    assert "QWEN_TOKEN" not in caught.value.message


@pytest.mark.parametrize("now", [NOW + 60, NOW + 61])
def test_an_expired_token_is_told_before_qwen_does(now: float) -> None:
    """The end of the token is read from itself; at that second it is over."""
    with pytest.raises(ExpiredCredentials) as caught:
        FULL.require(now)
    assert "QWEN_COOKIES" in caught.value.message


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.!!!.c", jwt(), jwt(exp="soon"), jwt(exp=True)])
def test_a_token_that_does_not_say_never_expires(token: str) -> None:
    """A token that is no JWT, or has no end, is left to Qwen to judge."""
    session = replace(FULL, token=token)
    assert session.expires_at is None
    session.require(NOW)


@pytest.mark.parametrize("claim", ["id", "sub", "user_id"])
def test_a_renewed_token_is_the_same_account(claim: str) -> None:
    """The account is known by the token's own claim, so renewing the token does not lose its chats."""
    old, new = jwt(**{claim: "u1", "exp": 1}), jwt(**{claim: "u1", "exp": 2})
    other = jwt(**{claim: "u2", "exp": 1})
    accounts = [replace(FULL, token=token).account for token in (old, new, other)]
    assert accounts[0] == accounts[1] != accounts[2]
    assert len(accounts[0]) == 16


def test_other_tokens_are_accounts_of_their_own() -> None:
    """A token without claims stands for itself, and no token for no account."""
    assert replace(FULL, token="one").account != replace(FULL, token="two").account
    assert replace(FULL, token="").account == ""


def test_no_secret_shows_in_a_repr() -> None:
    """A session that lands in a log line or a traceback tells nothing."""
    session = replace(FULL, extra=(("bx-ua", "231!secret"),))
    assert not any(part in repr(session) for part in (FULL.token, "acw_tc", "T2gA", "secret"))


@pytest.mark.parametrize(
    ("token", "cookies", "expected"),
    [
        ("t", "", "token=t"),
        ("t", "cna=1; token=old; x=2", "cna=1; token=t; x=2"),
        ("t", "cna=1", "cna=1; token=t"),
        ("", "cna=1; token=c", "cna=1; token=c"),
        ("", "token=c; token=c", "token=c"),
        ("t", "Cookie: a=b=c;;\n d=\r\n", "a=b=c; d=; token=t"),
    ],
)
def test_the_cookie_header_has_one_token(token: str, cookies: str, expected: str) -> None:
    """The token given by itself wins, and nothing is doubled or left over from a paste."""
    assert Credentials(token, cookies, "", "").cookie_header() == expected


def test_the_headers_are_a_browsers() -> None:
    """A call about a chat carries the session, names its page, and asks not to be held back."""
    assert headers(FULL) == {
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "source": "web",
        "x-request-id": "r1",
        "user-agent": "Mozilla/5.0",
        "origin": "https://chat.qwen.ai",
        "referer": "https://chat.qwen.ai/c/c1",
        "bx-umidtoken": "T2gA",
        "cookie": f"cna=1; acw_tc=2; token={FULL.token}",
        "x-accel-buffering": "no",
        "bx-v": "2.5.36",
    }


def test_a_call_about_no_chat_comes_from_the_front_page() -> None:
    """Models and new chats have no chat to refer to, and nothing to hold back."""
    assert headers(FULL, None)["referer"] == "https://chat.qwen.ai/"
    assert "x-accel-buffering" not in headers(FULL, None)


def test_what_else_the_browser_sent_passes_through() -> None:
    """Further headers are added as they are, and never replace one that belongs to the call."""
    extra = (
        ("BX-UA", "231!x"), ("bx-v", "2.5.31"), ("Timezone", "Mon Mar 02 2026"), ("Cookie", "no"), ("Host", "no"),
        ("Content-Length", "7"), ("accept-encoding", "br"), ("X-Request-Id", "old"),
    )  # fmt: skip
    made = headers(replace(FULL, extra=extra))
    assert (made["bx-ua"], made["bx-v"], made["timezone"]) == ("231!x", "2.5.31", "Mon Mar 02 2026")
    assert (made["x-request-id"], made["accept-encoding"]) == ("r1", "identity")
    assert not {"host", "content-length"} & set(made)
    assert made["cookie"] != "no"


@given(st.text(max_size=12), st.text(max_size=20), st.text(max_size=12))
def test_no_value_can_add_a_header(token: str, cookies: str, value: str) -> None:
    """Line ends and other control characters of a pasted value never reach the wire, and no value raises."""
    session = Credentials(token, cookies, value, value, (("x", value),))
    assert not any(re.search(r"[\x00-\x1f\x7f]", text) for text in headers(session).values())
    assert isinstance(session.account, str)
    assert session.expires_at is None


def test_the_fingerprint_changes_with_every_value() -> None:
    """A session that was refused is another one as soon as anything about it is new."""
    old = Credentials("t", "c=1", "umid", "agent", (("bx-ua", "1"),))
    changes: list[dict[str, Any]] = [
        {"token": "u"},
        {"cookies": "c=2"},
        {"bx_umidtoken": "new"},
        {"user_agent": "other"},
        {"extra": (("bx-ua", "2"),)},
    ]
    assert len({old.fingerprint, *(replace(old, **change).fingerprint for change in changes)}) == 6
    assert old.fingerprint == replace(old).fingerprint
