"""Who may come in: programs and the user's own browser, and no web page on the user's behalf."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.http import Headers
from mitmproxy.test.tutils import treq

from qwen_bridge.errors import ForeignHost, ForeignSite
from qwen_bridge.proxy.door import Door, Visitor
from tests.proxy.test_guard import context

DOOR = Door(hosts=["bridge.example.com"], openai=["api.openai.com"], origins=["http://localhost:3000", "null"])
HERE = "127.0.0.1:8080"


def visitor(host: str = HERE, origin: str | None = None, site: str | None = None, **more: Any) -> Visitor:
    return Visitor(**{"own": True, "local": True, "host": host, "origin": origin, "site": site, **more})


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "192.168.1.5:8080", "mybox:8080", ""),
        *("bad host", "localhost, evil.example", "user@localhost", "localhost/x", "127.0.0.1:8080:evil.example"),
        *(
            "qwen.localhost",
            "host.docker.internal:8080",
            "Bridge.Example.com.:8080",
            "api.openai.com",
            "eu.api.openai.com",
        ),
    ],
)
def test_names_that_no_stranger_can_own(host: str) -> None:
    """Addresses, names without a dot, names for private use, names of a setting, and what no browser sends."""
    DOOR.admit(visitor(host))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example.com:8080", "127.0.0.1.nip.io", "localhost.evil.example", "xlocalhost.com", "1.2.3.4.5:80"),
        *("internal.evil.org", "a,b.example"),
    ],
)
def test_names_that_may_be_a_strangers(host: str) -> None:
    """A name that public DNS may resolve to this machine is refused (DNS rebinding)."""
    with pytest.raises(ForeignHost, match="hosts"):
        DOOR.admit(visitor(host))


def test_a_call_to_openai_through_the_proxy_has_its_own_name() -> None:
    """There the guard has looked at the names; only pages are refused."""
    DOOR.admit(visitor("gateway.example.com", own=False))
    with pytest.raises(ForeignSite):
        DOOR.admit(visitor("api.openai.com", "https://evil.example", own=False))


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("https://evil.example", "cross-site"),
        ("https://evil.example", None),
        ("http://127.0.0.1:3000", "same-site"),
        ("https://127.0.0.1:8080", None),
        ("HTTPS://evil.example", None),
        ("", "cross-site"),
        (None, "cross-site"),
        (None, "same-site"),
        ("http://localhost:8080", "same-origin"),
    ],
)
def test_a_page_of_another_site_is_refused(origin: str | None, site: str | None) -> None:
    """By either header alone; another port, or another name of this machine, is another site."""
    with pytest.raises(ForeignSite, match="web_origins"):
        DOOR.admit(visitor(origin=origin, site=site))


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (None, None),
        (None, "none"),
        (None, "same-origin"),
        ("http://127.0.0.1:8080", "same-origin"),
        ("http://localhost:3000", "same-site"),
        ("null", "cross-site"),
        ("vscode-webview://abc", "cross-site"),
        ("chrome-extension://abcdef", "none"),
        ("app://obsidian.md", "cross-site"),
    ],
)
def test_programs_and_the_users_own_pages_come_in(origin: str | None, site: str | None) -> None:
    """SDKs, the address bar, the bridge's own page, listed origins, and installed programs with pages of their own."""
    DOOR.admit(visitor(origin=origin, site=site))


def test_a_sandboxed_frame_is_refused_unless_it_is_listed() -> None:
    """`null` is the origin that any page can have."""
    with pytest.raises(ForeignSite):
        Door().admit(visitor(origin="null"))


@pytest.mark.parametrize(
    ("origin", "site"),
    [("http://localhost:3000", None), ("vscode-webview://abc", None), (None, "cross-site"), ("null", "none")],
)
def test_the_bridges_own_pages_are_for_nobody_elses(origin: str | None, site: str | None) -> None:
    """Not even for a page that may use the API."""
    with pytest.raises(ForeignSite):
        DOOR.admit_person(visitor(origin=origin, site=site))


@pytest.mark.parametrize("site", [None, "none", "same-origin"])
def test_the_bridges_own_pages_open_from_the_address_bar(site: str | None) -> None:
    """And from a link on themselves, and for curl and Prometheus."""
    DOOR.admit_person(visitor(site=site))
    DOOR.admit_person(visitor(origin=f"http://{HERE}", site="same-origin"))


def test_under_openais_name_there_are_no_pages() -> None:
    """Whoever asks api.openai.com for `/status` means OpenAI's path, which is not served."""
    assert DOOR.is_person(visitor())
    assert not DOOR.is_person(visitor("api.openai.com"))
    assert not DOOR.is_person(visitor(own=False))


def test_a_listed_page_may_read_its_answer() -> None:
    """It is told so by its own origin, never by a star; a preflight gets the headers it asks for."""
    listed = visitor(origin="http://localhost:3000")
    plain = dict(DOOR.permission(listed, {}))
    assert plain["access-control-allow-origin"] == "http://localhost:3000"
    assert plain["vary"] == "origin"
    assert "access-control-allow-headers" not in plain
    ahead = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
        "access-control-request-private-network": "true",
    }
    granted = dict(DOOR.permission(listed, ahead))
    assert granted["access-control-allow-headers"] == "authorization,content-type"
    assert granted["access-control-allow-methods"] == "GET, POST"
    assert granted["access-control-allow-private-network"] == "true"
    evil = dict(DOOR.permission(listed, {"access-control-request-headers": "a\r\nset-cookie: x"}))
    assert "access-control-allow-headers" not in evil


@pytest.mark.parametrize("origin", [None, "https://evil.example", "vscode-webview://abc"])
def test_nobody_else_is_told_that_he_may_read(origin: str | None) -> None:
    """Without the header a browser keeps the answer from the page."""
    assert DOOR.permission(visitor(origin=origin), {}) == ()


@pytest.mark.parametrize(
    ("peer", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("x", False),
    ],
)
def test_a_visitor_is_local_by_its_address(peer: str, local: bool) -> None:
    """Not by what it says of itself."""
    surroundings = context()
    surroundings.client.peername = (peer, 50000)
    fields = Headers([(b"host", b"localhost"), (b"origin", b"https://a.example"), (b"sec-fetch-site", b"cross-site")])
    seen = Visitor.of(surroundings, treq(headers=fields), own=True)
    assert seen == Visitor(own=True, local=local, host="localhost", origin="https://a.example", site="cross-site")
