"""A learned session kept fresh by the bridge's own calls; through mitmproxy: tests/e2e/test_renewals.py."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from qwen_bridge.bridge.renewals import MOST_LINES, WRITE_EVERY, Renewals
from qwen_bridge.bridge.sessions import session_file
from qwen_bridge.observe import redaction
from qwen_bridge.qwen.credentials import Credentials
from qwen_bridge.qwen.learning import LINE_LIMIT, LearnedSession
from qwen_bridge.settings.settings import Settings
from tests.bridge.test_sessions import AGENT, account, nowhere, settings, token
from tests.store.clock import SetClock

pytestmark = pytest.mark.usefixtures(nowhere.__name__)

STREAM = ("content-type", "text/event-stream")
RENEWED = "acw_tc=quite-a-new-one; path=/; HttpOnly; Max-Age=1800"


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return settings(tmp_path)


@pytest.fixture
def spoken(chosen: Settings) -> Credentials:
    """A session that was learned, as the bridge speaks with it."""
    cookies = f"acw_tc=old; cna=kept; token={token('u1')}"
    session = LearnedSession(Credentials("", cookies, "umid", AGENT, learned=True), 1.0, 2.0, 3.0)
    session_file(chosen).change(lambda known: known.with_session(session))
    return session.spoken


def kept(chosen: Settings) -> str:
    """The cookies in the file."""
    return session_file(chosen).known().sessions[account("u1")].credentials.cookies


def test_what_an_answer_sets_is_kept_and_never_logged(chosen: Settings, spoken: Credentials) -> None:
    """For the account that was asked as, for its owner's eyes alone, and for nobody's who reads a log."""
    renewals = Renewals(chosen, SetClock())
    with capture_logs() as logged:
        renewals.began(spoken, 200, (STREAM, ("set-cookie", RENEWED), ("set-cookie", "x-ap=eu; path=/")))
    assert kept(chosen) == f"acw_tc=quite-a-new-one; cna=kept; token={token('u1')}; x-ap=eu"
    path = session_file(chosen).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert logged == []
    assert redaction.redact("it was quite-a-new-one") == "it was [redacted]"


@pytest.mark.parametrize(
    ("status", "kind"), [(200, "application/json"), (200, "text/html"), (403, "text/event-stream"), (200, "")]
)
def test_what_is_no_answer_sets_nothing(status: int, kind: str, chosen: Settings, spoken: Credentials) -> None:
    """A page of the firewall's may set anything."""
    Renewals(chosen, SetClock()).began(spoken, status, (("content-type", kind), ("set-cookie", RENEWED)))
    assert "acw_tc=old" in kept(chosen)


@pytest.mark.parametrize(
    "line",
    [
        "token=; Max-Age=0; path=/",
        f"token={token('somebody else')}; path=/",
        "acw_tc=x; Domain=evil.example",
        f"acw_tc={'x' * LINE_LIMIT}",
        "acw_tc=old",
    ],
)
def test_no_answer_takes_the_session_away(line: str, chosen: Settings, spoken: Credentials) -> None:
    """Neither by deleting it nor by making it another's, too large, or a foreign site's; what is known is no news."""
    before, mark = kept(chosen), session_file(chosen).path.stat().st_mtime_ns
    Renewals(chosen, SetClock()).heard(spoken, [line])
    assert (kept(chosen), session_file(chosen).path.stat().st_mtime_ns) == (before, mark)


def test_a_session_of_the_settings_is_its_owners(chosen: Settings, spoken: Credentials) -> None:
    """Also when the same account was learned."""
    own = Credentials(token("u1"), "", "umid", AGENT)
    Renewals(chosen, SetClock()).heard(own, [RENEWED])
    assert "acw_tc=old" in kept(chosen)


def test_where_nothing_is_learned_nothing_is_written(tmp_path: Path) -> None:
    """With a session of its own the bridge leaves the file alone."""
    chosen = settings(tmp_path, token=token("u1"), bx_umidtoken="umid", user_agent=AGENT)
    Renewals(chosen, SetClock()).heard(Credentials(token("u1"), "", "umid", AGENT, learned=True), [RENEWED])
    assert not session_file(chosen).path.exists()


def test_who_has_signed_out_stays_signed_out(chosen: Settings, spoken: Credentials) -> None:
    """An answer that was under way brings no session back."""
    session_file(chosen).change(lambda known: known.without(account("u1")))
    Renewals(chosen, SetClock()).heard(spoken, [RENEWED])
    assert session_file(chosen).known().sessions == {}


def test_the_disk_is_not_written_for_each_answer(chosen: Settings, spoken: Credentials) -> None:
    """What comes soon after waits for the next answer, and is bounded."""
    clock = SetClock()
    renewals = Renewals(chosen, clock)
    renewals.heard(spoken, [RENEWED])
    for number in range(10 * MOST_LINES):
        renewals.heard(spoken, [f"acw_tc=number-{number}"])
    assert "acw_tc=quite-a-new-one" in kept(chosen)
    assert len(renewals._waiting[account("u1")]) == MOST_LINES
    clock.time += WRITE_EVERY
    renewals.heard(spoken, ["x-ap=eu"])
    assert f"acw_tc=number-{10 * MOST_LINES - 1}" in kept(chosen)
    assert "x-ap=eu" in kept(chosen)


def test_a_file_that_cannot_be_written_costs_no_answer(chosen: Settings, spoken: Credentials) -> None:
    """It is told of, without what was to be written."""
    renewals = Renewals(chosen, SetClock())
    assert renewals._file is not None
    renewals._file.known()
    lock = session_file(chosen).path.with_name("sessions.json.lock")
    lock.unlink()
    lock.mkdir()
    with capture_logs() as logged:
        renewals.heard(spoken, [RENEWED])
    assert "cannot be kept" in logged[0]["event"]
    assert "quite-a-new-one" not in str(logged)
