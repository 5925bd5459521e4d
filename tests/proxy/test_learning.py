"""The browser's flows: which are looked at, and that all pass as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.test.tflow import tflow
from mitmproxy.test.tutils import treq, tresp

from qwen_bridge.bridge.sessions import session_file
from qwen_bridge.observe import redaction
from qwen_bridge.proxy.learning import Learner
from qwen_bridge.qwen.learning import COMPLETIONS
from qwen_bridge.settings.settings import Settings
from tests.qwen.test_learning import HEADERS

ANSWER = b'data: {"response.created":{"chat_id":"c"}}\n\ndata: {"choices":[]}\n\n'


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("")
    monkeypatch.setenv("QWEN_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setattr(redaction, "_known", redaction._Known())


def browsing(
    scheme: str = "https",
    host: str = "chat.qwen.ai",
    port: int = 443,
    named: str = "chat.qwen.ai",
    path: str = COMPLETIONS,
) -> HTTPFlow:
    """A question of the browser's."""
    fields = [(b"host", named.encode()), *((name.encode(), value.encode()) for name, value in HEADERS.items())]
    asked = treq(
        method=b"POST", scheme=scheme.encode(), host=host, port=port, path=path.encode(), headers=Headers(fields)
    )
    return tflow(req=asked)


def settings(folder: Path, **chosen: Any) -> Settings:
    return Settings.load({"state": str(folder), **chosen})


def carry(learner: Learner, flow: HTTPFlow, body: bytes = ANSWER) -> bytes:
    """Take a flow through the hooks, piece by piece; what the browser gets."""
    learner.requestheaders(flow)
    flow.response = tresp(status_code=200, headers=Headers([(b"content-type", b"text/event-stream")]), content=None)
    learner.responseheaders(flow)
    stream, got = flow.response.stream, b""
    for piece in [body[at : at + 7] for at in range(0, len(body), 7)] + [b""]:
        passed = stream(piece) if callable(stream) else piece
        got += passed if isinstance(passed, bytes) else b"".join(passed)
    learner.response(flow)
    return got


def learned(folder: Path, flow: HTTPFlow, *, verified: bool = True, may_pass: bool = True, **chosen: Any) -> bool:
    learner = Learner(settings(folder, **chosen), lambda _: may_pass, verified=verified)
    assert carry(learner, flow) == ANSWER
    assert not learner._watches
    return bool(session_file(settings(folder)).known().sessions)


def test_a_question_that_qwen_answered_is_learned(tmp_path: Path) -> None:
    """And reaches the browser as it is, unbuffered both ways."""
    flow = browsing()
    assert learned(tmp_path, flow)
    assert flow.request.stream is True
    assert flow.response is not None
    assert callable(flow.response.stream)


@pytest.mark.parametrize(
    "odd",
    [{"scheme": "http"}, {"host": "192.0.2.1"}, {"port": 8443}, {"named": "evil.example"}, {"host": "auth.qwen.ai"}],
    ids=str,
)
def test_only_qwens_own_host_over_tls_teaches(odd: dict[str, Any], tmp_path: Path) -> None:
    """Its name in the address and in the request, its port, encrypted."""
    assert not learned(tmp_path, browsing(**odd))


@pytest.mark.parametrize(
    "chosen",
    [
        {"verified": False},
        {"may_pass": False},
        {"learn": "off"},
        {"token": "t", "bx_umidtoken": "u", "user_agent": "a"},
    ],
    ids=str,
)
def test_nothing_is_learned_where_it_must_not_be(chosen: dict[str, Any], tmp_path: Path) -> None:
    """Without verification, from a stranger's machine, against the owner's word."""
    assert not learned(tmp_path, browsing(), **chosen)


def test_plain_http_to_a_simulator_teaches_nothing(tmp_path: Path) -> None:
    """TLS is what says that it was Qwen."""
    flow = browsing(scheme="http", host="127.0.0.1", port=8100, named="127.0.0.1:8100")
    assert not learned(tmp_path, flow, upstream="http://127.0.0.1:8100")


def test_an_empty_piece_is_never_given_back(tmp_path: Path) -> None:
    """mitmproxy would write it as the end of the body."""
    learner = Learner(settings(tmp_path), lambda _: True, verified=True)
    flow = browsing()
    learner.requestheaders(flow)
    flow.response = tresp(status_code=200)
    learner.responseheaders(flow)
    assert callable(flow.response.stream)
    assert flow.response.stream(b"") == []


def test_a_failure_of_ours_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser gets its answer, whatever happens to the lesson."""

    def bang(*_: Any) -> None:
        raise RuntimeError("a bug")

    for name in ("responded", "feed", "close"):
        with monkeypatch.context() as patched:
            patched.setattr(f"qwen_bridge.bridge.lessons.Watch.{name}", bang)
            learned(tmp_path, browsing())
    monkeypatch.setattr("qwen_bridge.bridge.lessons.Lessons.begin", bang)
    learned(tmp_path, browsing())


def test_a_flow_that_fails_is_forgotten(tmp_path: Path) -> None:
    """It teaches nothing, and nothing of it stays."""
    learner = Learner(settings(tmp_path), lambda _: True, verified=True)
    flow = browsing()
    learner.requestheaders(flow)
    learner.error(flow)
    assert not learner._watches
    assert not session_file(settings(tmp_path)).known().sessions
