"""The simulated site: signing in, the page, the firewall's check."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.rules import identify
from qwen_bridge.simulator.site import CHECK, PASSED, PASSWORD, answer
from qwen_bridge.simulator.world import World
from tests.harness.qwen_browser import HEADERS, request, world

HASH = sha256(PASSWORD.encode()).hexdigest()


def signed_in(here: World, name: str) -> str:
    """The cookie of somebody who has just signed in."""
    reply = answer(here, request("POST", "/api/v1/auths/signin", {"email": name, "password": HASH}))
    assert reply is not None
    (cookie,) = [value for key, value in reply.headers if key == "set-cookie"]
    return cookie.partition(";")[0]


def account(here: World, cookie: str) -> str:
    return identify(here, request("GET", "/api/models", headers={**HEADERS, "cookie": cookie}))


def test_who_signs_in_is_an_account() -> None:
    """Its token says whose it is and when it ends; another session of the same person is the same account."""
    here = world()
    first, second = signed_in(here, "anna"), signed_in(here, "anna")
    assert first != second
    assert account(here, first) == account(here, second) == "anna"
    one, two = (Credentials("", cookie, "", "") for cookie in (first, second))
    assert one.account == two.account
    assert one.expires_at == int(here.clock.now()) + 30 * 86_400


@pytest.mark.parametrize("body", [{"email": "anna", "password": "wrong"}, {"email": "anna"}, b"{", []])
def test_who_does_not_know_the_password_is_nobody(body: object) -> None:
    """Status 400, and no cookie."""
    reply = answer(world(), request("POST", "/api/v1/auths/signin", body))
    assert reply is not None
    assert (reply.status, reply.headers) == (400, ())


def test_the_account_can_be_asked_for() -> None:
    """With its role, or refused as the live service refuses."""
    here = world()
    cookie = signed_in(here, "anna")
    known = answer(here, request("GET", "/api/v1/auths/", headers={"cookie": cookie}))
    stranger = answer(here, request("GET", "/api/v1/auths/", headers={}))
    assert known is not None
    assert json.loads(known.body)["role"] == "user"
    assert stranger is not None
    assert stranger.status == 401


def test_signing_out_deletes_the_cookie() -> None:
    """The browser forgets its token."""
    reply = answer(world(), request("GET", "/api/v1/auths/signout"))
    assert reply is not None
    assert dict(reply.headers)["set-cookie"].startswith("token=; Max-Age=0")


def test_a_punished_account_must_pass_the_check() -> None:
    """With any of its sessions; the cookie of the check is what lets it in again, and no other value."""
    here = world()
    cookie = signed_in(here, "anna")
    here.punished.add("anna")
    for jar in (cookie, f"{cookie}; x5sec=invented"):
        with pytest.raises(Refused) as refused:
            account(here, jar)
        assert refused.value.reason == "waf_json_punish"
    reply = answer(here, request("POST", PASSED))
    assert reply is not None
    clearance = dict(reply.headers)["set-cookie"].partition(";")[0]
    assert account(here, f"{cookie}; {clearance}") == "anna"
    assert account(here, HEADERS["cookie"]) == "simulated-user"


@pytest.mark.parametrize("path", ["/", CHECK])
def test_pages_are_pages(path: str) -> None:
    """HTML, with no blank left in it."""
    reply = answer(world(), request("GET", path))
    assert reply is not None
    assert reply.content_type.startswith("text/html")
    assert b"@umid@" not in reply.body


def test_everything_else_is_not_the_sites() -> None:
    """The API and unknown paths are for others."""
    assert answer(world(), request("GET", "/api/models")) is None
    assert answer(world(), request("POST", "/")) is None
