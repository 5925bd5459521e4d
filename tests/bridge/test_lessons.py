"""Requests and answers of a browser become sessions in the file."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from qwen_bridge.bridge.lessons import SEEN_EVERY, Lessons
from qwen_bridge.bridge.sessions import session_file
from qwen_bridge.observe import redaction
from qwen_bridge.observe.logs import configure
from qwen_bridge.qwen.learning import COMPLETIONS
from qwen_bridge.settings.settings import Settings
from qwen_bridge.store.sessions import Known
from tests.harness.ports import FixedClock
from tests.qwen.test_credentials import jwt
from tests.qwen.test_learning import HEADERS, JSON, SSE, TOKEN

OTHER = jwt(id="u2", exp=2_000_000_000)
GOOD = b'{"success":true,"data":{}}'
ANSWER = b'data: {"response.created":{}}\n\n'


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(redaction, "_known", redaction._Known())
    configure()


class Browser:
    """Sends requests past the lessons."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock()
        self.settings = Settings.load({"state": str(folder)})
        self.lessons = Lessons(self.settings, self.clock)

    @property
    def known(self) -> Known:
        return session_file(self.settings).known()

    def asks(
        self,
        path: str,
        body: bytes = GOOD,
        *,
        token: str = TOKEN,
        umid: bool = True,
        more: Sequence[tuple[str, str]] = (),
    ) -> None:
        fields = {**HEADERS, "cookie": f"acw_tc=a; token={token}"}
        if not umid:
            del fields["bx-umidtoken"]
        watch = self.lessons.begin("POST" if path == COMPLETIONS else "GET", path, tuple(fields.items()))
        assert watch is not None
        watch.responded(200, (*(SSE if body == ANSWER else JSON), *more))
        for at in range(0, len(body), 5):
            watch.feed(body[at : at + 5])
        watch.close()


def test_a_proven_request_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once it is complete; the log names the account by its digest and shows nothing of it."""
    caplog.set_level(logging.DEBUG)
    browser = Browser(tmp_path)
    browser.asks("/api/v2/chats/", umid=False)
    (session,) = browser.known.sessions.values()
    assert session.credentials.missing() == ["QWEN_BX_UMIDTOKEN"]
    browser.asks(COMPLETIONS, ANSWER)
    (session,) = browser.known.sessions.values()
    assert session.credentials.missing() == []
    assert "a Qwen session was learned from the browser" in caplog.text
    assert session.credentials.account[:8] in caplog.text
    assert TOKEN not in caplog.text


def test_a_request_that_failed_overwrites_nothing(tmp_path: Path) -> None:
    """Signed out, punished, cut off."""
    browser = Browser(tmp_path)
    browser.asks(COMPLETIONS, ANSWER)
    before = browser.known
    for body in (b'{"success":false}', b"<html>aliyun_waf_aa</html>", b'{"success":tr', b""):
        browser.asks("/api/v2/chats/", body)
    assert browser.known == before


def test_a_compressed_answer_is_read(tmp_path: Path) -> None:
    """Browsers ask for one. What is no such thing, or an encoding that is not known, proves nothing."""
    browser = Browser(tmp_path)
    browser.asks("/api/v2/chats/", GOOD, more=[("content-encoding", "gzip")])
    browser.asks("/api/v2/chats/", GOOD, more=[("content-encoding", "dcb")])
    assert browser.known == Known()
    browser.asks("/api/v2/chats/", gzip.compress(GOOD), more=[("content-encoding", "gzip")])
    assert browser.known.sessions


def test_cookies_set_by_the_answer_are_kept(tmp_path: Path) -> None:
    """The firewall's rotate."""
    browser = Browser(tmp_path)
    browser.asks("/api/v2/chats/", more=[("set-cookie", "acw_tc=b; path=/"), ("set-cookie", "x5sec=c")])
    (session,) = browser.known.sessions.values()
    assert session.credentials.cookies == f"acw_tc=b; token={TOKEN}; x5sec=c"


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/v1/auths/signout", []),
        ("/api/v2/auths/bye", [("set-cookie", "token=; Max-Age=0; path=/")]),
    ],
)
def test_signing_out_forgets(path: str, more: list[tuple[str, str]], tmp_path: Path) -> None:
    """Nobody wants a session used that he has ended; which account it was stays known."""
    browser = Browser(tmp_path)
    browser.asks(COMPLETIONS, ANSWER)
    chosen = browser.known.chosen
    browser.asks(path, more=more)
    assert browser.known == Known(chosen)


def test_another_account_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is kept, not used, and the log says how to change that."""
    browser = Browser(tmp_path)
    browser.asks(COMPLETIONS, ANSWER)
    chosen = browser.known.chosen
    for _ in range(3):
        browser.asks(COMPLETIONS, ANSWER, token=OTHER)
    assert browser.known.chosen == chosen
    assert len(browser.known.sessions) == 2
    assert caplog.text.count("with another account") == 1
    assert "qwen-bridge sessions use" in caplog.text


def test_the_same_again_is_not_written_each_time(tmp_path: Path) -> None:
    """A page asks many times a minute; a question of the user's counts always."""
    browser = Browser(tmp_path)
    browser.asks("/api/v2/chats/")
    first = browser.known
    browser.clock.time += SEEN_EVERY - 1
    browser.asks("/api/v2/chats/")
    assert browser.known == first
    browser.clock.time += 1
    browser.asks("/api/v2/chats/")
    assert browser.known != first
    second = browser.known
    browser.clock.time += 1
    browser.asks(COMPLETIONS, ANSWER)
    assert browser.known != second


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the browser goes on."""
    (tmp_path / "file").write_text("")
    browser = Browser(tmp_path / "file")
    for _ in range(3):
        browser.asks("/api/v2/chats/")
    assert caplog.text.count("cannot be kept") == 1
