"""The status page: whole, escaped, and nothing in it that a browser would run or fetch."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from qwen_bridge.observe.page import HEADERS, page
from tests.observe.standing import RESTING, STANDING, WELL, shown

VOID = {"meta", "link", "br", "rect"}


class Checked(HTMLParser):
    """Reads a document strictly: every tag is closed in its order."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += f" {data}"


def test_it_shows_what_the_status_holds() -> None:
    """Where to point a client, sums, sessions, requests and faults with advice."""
    words = " ".join(Checked(page(shown())).text.split())
    for told in (
        "http://127.0.0.1:8080/v1",
        "ready version 1.2.3 · up 1 h 1 min",
        "Went on in their chat 50 %",
        "Not sent again 4.3 KB",
        "default 104e8e62 set by hand ready in 1 d 1 h",
        "second aaaaaaaa learned from your browser, seen 2 min ago rests 15 min qwen_challenge",
        "50 s ago hit 7 of 9 known qwen3-max complete",
        "miss unknown history",
        "qwen_timeout Qwen took longer than first_byte_timeout",
    ):
        assert told in words


def test_what_hinders_it_stands_at_the_top() -> None:
    """With what to do, and in the title of the window."""
    document = page(shown(replace(STANDING, accounts=(RESTING,))))
    assert "<title>! qwen-bridge" in document
    assert 'role="alert"' in document
    assert "not ready" in Checked(document).text


def test_nothing_is_run_or_fetched() -> None:
    """No script, no handler, no inline style, no address but its own; the policy allows its one style sheet alone."""
    document = page(shown())
    read = Checked(document)
    policy = dict(HEADERS)["content-security-policy"]
    style = re.search(r"<style>(.*)</style>", document, re.S)
    assert style is not None
    assert f"sha256-{b64encode(hashlib.sha256(style[1].encode()).digest()).decode()}" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "<script" not in document
    assert not [name for _, name, _ in read.attributes if name.startswith("on") or name == "style"]
    addresses = [value or "" for _, name, value in read.attributes if name in ("href", "src", "action")]
    assert all(address.startswith(("/", "data:")) and not address.startswith("//") for address in addresses)
    assert "url(" not in style[1]


def test_whatever_is_shown_is_escaped() -> None:
    """A name from Qwen or from a header is text, never markup."""
    evil = '"><script>alert(1)</script>&'
    status = shown(
        replace(STANDING, address=evil, upstream=evil, version=evil, accounts=(replace(WELL, name=evil, digest=evil),))
    )
    for turn in status["turns"]:
        turn.update(model=evil, outcome=evil, request_id=evil, route=evil)
    for fault in status["faults"]:
        fault.update(code=evil, advice=f"`{evil}` {evil}", action=evil)
    status["problems"] = [{"code": evil, "advice": evil}]
    document = page(status)
    assert "<script" not in document
    assert Checked(document).text.count("<script>alert(1)</script>") >= 10


def test_it_renews_itself_only_where_asked() -> None:
    """By the browser's own means, without a script; the link to start and to stop it is on the page."""
    assert 'http-equiv="refresh"' not in page(shown())
    renewing = page(shown(), refresh=True)
    assert 'http-equiv="refresh"' in renewing
    assert "stop renewing" in renewing


def test_an_empty_bridge_has_a_page_too() -> None:
    """Nothing asked, nothing failed, no session."""
    status: dict[str, Any] = shown(replace(STANDING, accounts=()))
    status.update(turns=[], faults=[])
    words = Checked(page(status)).text
    for told in ("None yet.", "None since the start.", "No session is set."):
        assert told in words
